"""The documents of all hosts: units, the files that they name, and the script that installs them."""

from collections.abc import Iterator
from typing import Any

from stackgen.domain.contracts import Rendered
from stackgen.domain.document import Document, Format, Template
from stackgen.domain.listening import on_hosts, published_address
from stackgen.domain.nfs_mounts import mounts
from stackgen.domain.site import sites
from stackgen.domain.systemd import GATE, changing
from stackgen.domain.target_defaults import config_files
from stackgen.domain.workload import Deployment, HostDeployment, Workload
from stackgen.targets.systemd.box import Box
from stackgen.targets.systemd.findings import findings
from stackgen.targets.systemd.owner import sysusers, tmpfiles
from stackgen.targets.systemd.unit import download, notes, service


def render(deployment: Deployment) -> Rendered:
    """One folder for each host whose platform is systemd."""
    boxes = sites(Box, on_hosts(deployment, _address_of), "systemd")
    return Rendered(
        documents=tuple(document for box in boxes for document in _documents(box)),
        diagnostics=tuple(finding for box in boxes for finding in findings(box)),
    )


def _address_of(host: HostDeployment, workload: Workload) -> str | None:
    return published_address(host, workload) if host.host.platform == "systemd" else None


def _documents(box: Box) -> Iterator[Document]:
    for workload in box.workloads:
        yield _unit(box, f"{box.unit(workload.name)}.service", service(workload, box), *notes(workload))
    for job in box.jobs:
        yield _unit(box, f"{box.unit(job.name)}.service", download(job, box))
    for name, body in mounts(box).items():
        yield _unit(box, name, body)
    for workload in (*box.workloads, *box.jobs):
        yield from config_files(workload, box.folder / workload.name, box.origin, box.url)
    for workload in box.workloads:
        yield from _secrets(workload, box)
    for name, lines in (("sysusers.conf", sysusers(box)), ("tmpfiles.conf", tmpfiles(box))):
        if lines:
            text = Template("lines", (("lines", (f"# {box.origin}", *lines)),))
            yield Document(path=box.folder / name, format=Format.TEXT, body=text)
    yield _script(box, GATE, Template(GATE))
    yield _script(box, "install.sh", Template("systemd/install.sh", tuple(_installed(box).items())))


def _unit(box: Box, name: str, body: dict[str, Any], *about: str) -> Document:
    return Document(path=box.folder / name, format=Format.UNIT, header=(box.origin, *about), body=body)


def _script(box: Box, name: str, body: Template) -> Document:
    return Document(
        path=box.folder / name, format=Format.SHELL, header=(box.origin,), body=body, executable=True
    )


def _secrets(workload: Workload, box: Box) -> Iterator[Document]:
    secrets = box.secrets(workload)
    if secrets:
        yield Document(
            path=box.folder / workload.name / "secrets.env.example",
            format=Format.ENV,
            header=(
                box.origin,
                f"Copy it to {box.environment_file(workload)} on {box.name}, with mode 600 and",
                "owner root, and give each line its value, without quotes.",
                *(f"{name}: {secret.key} of the secret {secret.name}" for name, secret in secrets.items()),
            ),
            body=dict.fromkeys(secrets, ""),
        )


def _installed(box: Box) -> dict[str, object]:
    """What fills the holes of install.sh."""
    files = {box.environment_file(w) for w in box.workloads if box.secrets(w)}
    tokens = {box.secret_file(secret) for job in box.jobs for secret in box.secrets(job).values()}
    return {
        "stack": box.deployment.name,
        "host": box.name,
        "place": str(box.place),
        "quadlets": "",
        "secrets": tuple(sorted(files | tokens)),
        "boot": tuple(box.unit(w.name) for w in box.workloads if not w.exclusive),
        # What waits for a download restarts with it.
        "services": tuple(
            (f"{box.unit(w.name)}.service", w.name, changing(w)) for w in (*box.workloads, *box.jobs)
        ),
        "turns": box.turns,
    }
