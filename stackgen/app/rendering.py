"""From a plan to the text of every file, by way of workloads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

from stackgen import registry
from stackgen.domain.diagnostic import Diagnostic, StackError, error, has_errors
from stackgen.domain.plan import Plan, PlannedService, Verdict
from stackgen.domain.source import Source

if TYPE_CHECKING:
    from stackgen.domain.document import Document
    from stackgen.domain.workload import Deployment, Workload
    from stackgen.io.tree import RenderedFile


ALWAYS: Final = ("clients",)
"""Targets that are rendered for every stack, beside those of its platforms."""


class Output(NamedTuple):
    """Rendered files by target and by path below the output folder, and what could not be expressed."""

    files: Mapping[str, Mapping[PurePosixPath, "RenderedFile"]]
    diagnostics: tuple[Diagnostic, ...]


def render(planned: Plan, source: Source, targets: Sequence[str] = ()) -> Output:
    """Every file of a plan, for the targets named, or for all platforms and those that are always rendered.

    A target whose platform no host has renders nothing, so that files of a platform given up are removed.
    Raises StackError when something cannot be expressed; nothing is written.
    """
    from stackgen.spec import allow

    deployment = deploy(planned, PurePosixPath(source.name).name)
    files: dict[str, Mapping[PurePosixPath, RenderedFile]] = {}
    found: list[Diagnostic] = []
    for name in targets or (*ALWAYS, *sorted(registry.platforms())):
        target = registry.targets()[name]
        if target.platform and not any(h.host.platform == name for h in deployment.hosts):
            files[name] = {}
            continue
        rendered = target.render(deployment)
        found.extend(rendered.diagnostics)
        files[name] = _texts(rendered.documents, found)
    told = allow.noted(found, planned.stack.stack.allow)
    if has_errors(told):
        raise StackError(told)
    return Output(files=files, diagnostics=told)


def with_refusals(planned: Plan, source: Source) -> Plan:
    """A plan without errors, with what rendering it would find."""
    if has_errors(planned.diagnostics):
        return planned
    try:
        told = render(planned, source).diagnostics
    except StackError as exc:
        told = exc.diagnostics
    return replace(planned, diagnostics=(*planned.diagnostics, *told))


def _texts(documents: "Iterable[Document]", found: list[Diagnostic]) -> dict[PurePosixPath, "RenderedFile"]:
    from stackgen.emit import EmitError, to_text
    from stackgen.io.tree import RenderedFile

    files: dict[PurePosixPath, RenderedFile] = {}
    for document in documents:
        if document.path in files:
            text = f"two services want to write {document.path}"
            found.append(error("render/same-path", (), text, "rename one of them"))
            continue
        try:
            text = to_text(document)
        except EmitError as exc:
            place = ".".join(map(str, exc.path))
            found.append(
                error("render/inexpressible", (), f"{document.path} at {place or 'its top'}: {exc.message}")
            )
            continue
        files[document.path] = RenderedFile(text=text, executable=document.executable)
    return files


def deploy(planned: Plan, source_name: str) -> "Deployment":
    """Workloads per host: the waist between engines and targets."""
    from stackgen.domain.fronts import fronts
    from stackgen.domain.workload import Deployment, HostDeployment
    from stackgen.plan.ledger import most_of

    engines = registry.engines()
    groups = _group_names(planned.stack.stack.exclusive)
    routed = {h.platform for h in planned.stack.hosts.values() if _routes(h.platform)}
    scheme = planned.stack.stack.deploy.scheme
    found = fronts(planned.stack.services, planned.interfaces, routed, scheme)
    planned = replace(planned, fronts=found)

    def lowered(service: PlannedService) -> "Workload":
        workload = engines[service.linked.engine].lower(service, planned)
        return replace(
            workload,
            watches=service.demand.watches,
            user=service.linked.user or workload.user,
            memory_request=service.linked.ram.request,
            memory_limit=service.linked.ram.limit,
            cpu_request=service.linked.cpus.request,
            cpu_limit=service.linked.cpus.limit,
            exclusive=tuple(g for g, members in groups if service.linked.name in members),
        )

    def host(name: str) -> HostDeployment:
        services = [s for s in planned.services.values() if s.linked.host.name == name]
        return HostDeployment(
            host=planned.stack.hosts[name],
            workloads=tuple(map(lowered, services)),
        )

    return Deployment(
        name=planned.stack.name,
        source=source_name,
        hosts=tuple(host(name) for name in planned.stack.hosts),
        volumes=planned.stack.volumes,
        exclusive=groups,
        scenarios=tuple(
            (scenario.name, tuple(dict.fromkeys(reference.service for reference in scenario.loaded)))
            for scenario in planned.stack.scenarios
            if scenario.expected == Verdict.FITS.value
        ),
        downloads=planned.downloads,
        interfaces=planned.interfaces,
        fronts=planned.fronts,
        gpu_memory={name: most_of(service) for name, service in planned.services.items()},
        deploy=planned.stack.stack.deploy,
    )


def _routes(platform: str) -> bool:
    """Whether a platform answers for host names by itself."""
    return "expose" in registry.target(platform).handles


def _group_names(exclusive: Iterable[Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(("-or-".join(sorted(group)), tuple(group)) for group in exclusive)
