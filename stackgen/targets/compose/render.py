"""The documents of all projects of a deployment."""

from collections.abc import Iterator
from typing import Any

from stackgen.domain.contracts import Rendered
from stackgen.domain.document import Document, Format, Template
from stackgen.domain.site import sites
from stackgen.domain.stack import Volume
from stackgen.domain.target_defaults import config_files, present
from stackgen.domain.workload import Deployment
from stackgen.targets.compose.findings import findings
from stackgen.targets.compose.project import Project, interpolable
from stackgen.targets.compose.service import job, service


def render(deployment: Deployment) -> Rendered:
    """One project for each host whose platform is compose."""
    projects = sites(Project, deployment, "compose")
    return Rendered(
        documents=tuple(document for project in projects for document in _documents(project)),
        diagnostics=tuple(finding for project in projects for finding in findings(project)),
    )


def _documents(project: Project) -> Iterator[Document]:
    yield Document(
        path=project.folder / "compose.yaml",
        format=Format.YAML,
        header=(project.origin, *_how_to_download(project), *_how_to_switch(project)),
        body=interpolable(_body(project)),
    )
    for workload in (*project.workloads, *project.jobs):
        yield from config_files(workload, project.folder / workload.name, project.origin, project.url)
    if project.secrets:
        yield from _environment_files(project)


def _environment_files(project: Project) -> Iterator[Document]:
    users = {name: ", ".join(use.label for use in uses) for name, uses in project.secrets.items()}
    yield Document(
        path=project.folder / ".env.example",
        format=Format.ENV,
        header=(
            project.origin,
            "Copy it to .env, which git ignores here, with mode 600, and give each line its value: compose",
            "refuses to start otherwise. Between 'single quotes' a value may hold $ and # as well.",
            *(f"{name}: {services}" for name, services in users.items()),
        ),
        body=dict.fromkeys(users, ""),
    )
    yield Document(path=project.folder / ".gitignore", format=Format.TEXT, body=Template("compose/gitignore"))


def _how_to_download(project: Project) -> Iterator[str]:
    if project.jobs:
        yield "`up -d` waits until all weights are there, for hours the first time. How far it is, or why it failed:"
        yield f"  docker compose logs --follow {' '.join(job.name for job in project.jobs)}"
        yield "After a download that failed or was cut off, what needs it is not started, not even at the next"
        yield "boot; the same `up -d` goes on where it stopped."


def _how_to_switch(project: Project) -> Iterator[str]:
    for group, services in project.deployment.exclusive:
        names = sorted(name for name in services if project.local(name))
        if len(names) > 1:
            yield f"Only one of {', '.join(names)} may be up (exclusive group {group}). To change over:"
            yield f"  docker compose --profile '*' stop {' '.join(names)}"
            yield f"  docker compose --profile {names[0]} up -d"
    switched = [workload.name for workload in project.switched]
    for scenario, loaded in project.scenarios.items() if switched else ():
        others = [name for name in switched if name not in loaded]
        yield f"Scenario {scenario}:"
        if others:
            yield f"  docker compose --profile '*' stop {' '.join(others)}"
        yield f"  docker compose --profile {scenario} up -d"


def _body(project: Project) -> dict[str, Any]:
    return present(
        {
            # The same on every host, so that a second host does not rename the volumes of the first.
            "name": project.deployment.name,
            "services": {workload.name: service(workload, project) for workload in project.workloads}
            | {workload.name: job(workload, project) for workload in project.jobs},
            "volumes": {
                name: _volume(volume) for name, volume in project.volumes.items() if volume.path is None
            },
        }
    )


def _volume(volume: Volume) -> dict[str, Any]:
    if volume.nfs is None:
        return {}
    server, _, folder = volume.nfs.partition(":")
    options = ",".join((f"addr={server}", *volume.mount_options))
    return {"driver": "local", "driver_opts": {"type": "nfs", "o": options, "device": f":{folder}"}}
