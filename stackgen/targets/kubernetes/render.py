"""The documents of a cluster: a kustomize folder per service, and what they share beside them."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain.contracts import Rendered
from stackgen.domain.document import Document, Format, Template, YamlStream
from stackgen.domain.target_defaults import config_files, present
from stackgen.domain.workload import Deployment, Workload
from stackgen.targets.kubernetes import (
    charts,
    claims,
    gitops,
    gpus,
    kserve,
    monitoring,
    network,
    policy,
    secrets,
    storage,
)
from stackgen.targets.kubernetes.cards import held
from stackgen.targets.kubernetes.cluster import FOLDER, Cluster, cluster
from stackgen.targets.kubernetes.config import WEIGHTS, config_map, listed_weights, reloads
from stackgen.targets.kubernetes.controller import controller, download, scaled
from stackgen.targets.kubernetes.findings import findings
from stackgen.targets.kubernetes.namespace import namespace
from stackgen.targets.kubernetes.watcher import SCRIPT, script_map

KUSTOMIZATION: Final = "kustomization.yaml"


def render(deployment: Deployment) -> Rendered:
    """Everything for the hosts of this platform."""
    found = cluster(deployment)
    if found is None:
        return Rendered(())
    return Rendered(documents=tuple(_documents(found)), diagnostics=tuple(findings(found)))


def _documents(found: Cluster) -> Iterator[Document]:
    shared = list(_shared(found))
    folders = [*(w.name for w in found.workloads), *_download_folders(found)]
    body = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [*(document.path.name for document in shared), *sorted(folders)],
    }
    yield _yaml(found, PurePosixPath(KUSTOMIZATION), body, _notes(found))
    yield from shared
    for workload in found.workloads:
        yield from _service(workload, found)
    yield from _downloads(found)
    for name, example in secrets.examples(found).items():
        path = PurePosixPath(secrets.EXAMPLES, f"{name}.yaml")
        yield _yaml(found, path, example, secrets.how_to_fill(found, name))
    if found.secrets and found.deployment.deploy.secrets == "env-file":
        yield Document(path=FOLDER / ".gitignore", format=Format.TEXT, body=Template("kubernetes/gitignore"))
    yield from gitops.documents(found)


def _shared(found: Cluster) -> Iterator[Document]:
    """What belongs to no single service."""
    several: dict[str, Sequence[dict[str, Any]]] = {
        "namespace.yaml": [namespace(found)],
        "network-policy.yaml": [policy.common(found)],
        "priority-class.yaml": [gpus.priority(found)] if any(map(held, found.workloads)) else [],
        "storage.yaml": list(storage.objects(found)),
        "gpu-claims.yaml": list(claims.claims(found)),
        "kserve.yaml": list(kserve.preset(found)),
        "external-secrets.yaml": list(secrets.external(found)),
    }
    yield from (
        _yaml(found, PurePosixPath(name), _stream(objects)) for name, objects in several.items() if objects
    )
    if plugin := gpus.sharing(found):
        yield _yaml(found, PurePosixPath("device-plugin.yaml"), plugin, gpus.how_to_share(found))


def _notes(found: Cluster) -> Iterator[str]:
    yield from _how_to_switch(found)
    for workload in found.workloads:
        if (chart := charts.chart(workload, found)) and not charts.release(workload, chart, found):
            yield f"Not in here is {workload.name}, which Helm installs: see {workload.name}/{charts.VALUES}."


def _how_to_switch(found: Cluster) -> Iterator[str]:
    for group, services in found.deployment.exclusive:
        names = [name for name in services if found.local(name)]
        if len(names) > 1:
            running = ", ".join(name for name in names if name in found.up) or "none of them"
            yield f"Only one of {', '.join(sorted(names))} may be up (exclusive group {group}): {running}, the first in"
            yield "the stack file. To change over: `stackgen switch SERVICE`, render, commit; or, until somebody syncs:"
            down = [name for name in names if name in found.up] or names[:1]
            other = next(name for name in names if name not in down)
            for name, replicas in (*((name, 0) for name in down), (other, 1)):
                if (workload := found.local(name)) is not None:
                    yield f"  {scaled(workload, found, replicas)}"


def _service(workload: Workload, found: Cluster) -> Iterator[Document]:
    folder = PurePosixPath(workload.name)
    chart = charts.chart(workload, found)
    made = charts.release(workload, chart, found) if chart else [controller(workload, found)]
    services = list(network.services(workload, found))
    parts: dict[str, Sequence[dict[str, Any]]] = {
        "release" if chart else made[0]["kind"].lower(): made,
        # The first one is the chart's.
        "service": services[1:] if chart else services,
        "service-monitor": list(monitoring.of_service(workload, found)),
        "route": [found_route] if (found_route := network.route(workload, found)) else [],
        "network-policy": list(policy.of_service(workload, found)),
    }
    files = {f"{name}.yaml": objects for name, objects in parts.items() if objects}
    kustomization = _kustomization(workload, list(files), found)
    if any(one["metadata"]["namespace"] != found.namespace for one in made):
        # kustomize would move all of them; each names its own.
        del kustomization["namespace"]
    yield _yaml(found, folder / KUSTOMIZATION, kustomization)
    yield from (_yaml(found, folder / name, _stream(objects)) for name, objects in files.items())
    if chart and not made:
        body, how = charts.values(workload, found).values, charts.command(workload, chart, found)
        yield _yaml(found, folder / charts.VALUES, body, how)
    yield from config_files(workload, FOLDER / folder, found.origin, found.url)
    if reloads(workload):
        asking = Template(f"kubernetes/{SCRIPT}")
        yield Document(
            path=FOLDER / folder / SCRIPT, format=Format.SHELL, header=(found.origin,), body=asking
        )
    if lines := listed_weights(workload, found):
        text = Template("lines", (("lines", tuple(lines)),))
        yield Document(path=FOLDER / folder / WEIGHTS, format=Format.TEXT, body=text)


def _kustomization(workload: Workload, resources: list[str], found: Cluster) -> dict[str, Any]:
    return present(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": found.namespace,
            "resources": resources,
            "configMapGenerator": list(_config_maps(workload, found)),
            "generatorOptions": _generator_options(workload, found) if workload.config_files else None,
        }
    )


def _config_maps(workload: Workload, found: Cluster) -> Iterator[dict[str, Any]]:
    if workload.config_files:
        # A hash in the name would be another pod.
        same = {"options": {"disableNameSuffixHash": True}} if reloads(workload) else {}
        files = [file.name for file in workload.config_files]
        files += [WEIGHTS] if listed_weights(workload, found) else []
        yield {"name": config_map(workload, found), "files": files, **same}
    if reloads(workload):
        yield {"name": script_map(workload), "files": [SCRIPT]}


def _generator_options(workload: Workload, found: Cluster) -> dict[str, Any]:
    flux = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
    return present(
        {
            "disableNameSuffixHash": True if workload.workers else None,
            "annotations": flux if found.deployment.deploy.gitops == "flux" else None,
        }
    )


def _download_folders(found: Cluster) -> list[str]:
    return [_folder(index, job.workload.name, found) for index, job in enumerate(found.downloads)]


def _folder(index: int, name: str, found: Cluster) -> str:
    """The folder of a job; one volume may need several, on as many hosts."""
    same = [i for i, job in enumerate(found.downloads) if job.workload.name == name]
    return name if len(same) == 1 else f"{name}-{found.downloads[index].hosts[0]}"


def _downloads(found: Cluster) -> Iterator[Document]:
    for folder, job in zip(_download_folders(found), found.downloads, strict=True):
        resources = ["job.yaml", "network-policy.yaml"]
        base = PurePosixPath(folder)
        yield _yaml(found, base / KUSTOMIZATION, _kustomization(job.workload, resources, found))
        yield _yaml(found, base / "job.yaml", download(job, found))
        yield _yaml(found, base / "network-policy.yaml", policy.of_download(job, found))
        yield from config_files(job.workload, FOLDER / base, found.origin, found.url)


def _stream(objects: Sequence[dict[str, Any]]) -> Any:
    return objects[0] if len(objects) == 1 else YamlStream(tuple(objects))


def _yaml(found: Cluster, path: PurePosixPath, body: Any, notes: Iterator[str] | None = None) -> Document:
    header = (found.origin, *(notes or ()))
    return Document(path=FOLDER / path, format=Format.YAML, header=header, body=body)
