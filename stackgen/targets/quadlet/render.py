"""The documents of all hosts: quadlets, the files that they name, and the script that installs them."""

from collections.abc import Iterator
from typing import Any

from stackgen.domain.contracts import Rendered
from stackgen.domain.document import Document, Format, Template
from stackgen.domain.nfs_mounts import mounts
from stackgen.domain.site import sites
from stackgen.domain.systemd import GATE, changing
from stackgen.domain.target_defaults import config_files
from stackgen.domain.workload import Deployment
from stackgen.targets.quadlet.container import container, download
from stackgen.targets.quadlet.findings import findings
from stackgen.targets.quadlet.pod_host import PodHost


def render(deployment: Deployment) -> Rendered:
    """One folder for each host whose platform is quadlet."""
    hosts = sites(PodHost, deployment, "quadlet")
    return Rendered(
        documents=tuple(document for host in hosts for document in _documents(host)),
        diagnostics=tuple(finding for host in hosts for finding in findings(host)),
    )


def _documents(host: PodHost) -> Iterator[Document]:
    for name, body in _units(host):
        yield Document(path=host.folder / name, format=Format.UNIT, header=(host.origin,), body=body)
    for workload in (*host.workloads, *host.jobs):
        yield from config_files(workload, host.folder / workload.name, host.origin, host.url)
    yield _script(host, GATE, Template(GATE))
    yield _script(host, "install.sh", Template("systemd/install.sh", tuple(_installed(host).items())))


def _units(host: PodHost) -> Iterator[tuple[str, dict[str, Any]]]:
    stack = host.deployment.name
    yield f"{stack}.network", {"Network": {"NetworkName": stack}}
    for name, volume in host.volumes.items():
        if volume.managed:
            yield f"{host.unit(name)}.volume", {"Volume": {"VolumeName": host.unit(name)}}
    yield from mounts(host).items()
    for workload in host.workloads:
        yield f"{host.unit(workload.name)}.container", container(workload, host)
    for job in host.jobs:
        yield f"{host.unit(job.name)}.container", download(job, host)


def _script(host: PodHost, name: str, body: Template) -> Document:
    return Document(
        path=host.folder / name, format=Format.SHELL, header=(host.origin,), body=body, executable=True
    )


def _installed(host: PodHost) -> dict[str, object]:
    """What fills the holes of install.sh."""
    secrets = {host.secret(s) for w in (*host.workloads, *host.jobs) for s in host.secrets(w).values()}
    return {
        "stack": host.deployment.name,
        "host": host.name,
        "place": str(host.place),
        "quadlets": str(host.quadlets),
        "secrets": tuple(sorted(secrets)),
        "boot": tuple(host.unit(w.name) for w in host.workloads if not w.exclusive),
        # What waits for a download restarts with it.
        "services": tuple(
            (f"{host.unit(w.name)}.container", w.name, changing(w)) for w in (*host.workloads, *host.jobs)
        ),
        "turns": host.turns,
    }
