"""The use-cases, and the only place that wires stages together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stackgen import registry
from stackgen.domain.diagnostic import Diagnostic, Position, Severity, StackError, error, has_errors
from stackgen.domain.linked import LinkedModel, LinkedStack
from stackgen.domain.lock import Lock, LockEntry
from stackgen.domain.plan import KnownModel, Plan
from stackgen.domain.source import Positions, Source

if TYPE_CHECKING:
    from stackgen.domain.document import Document
    from stackgen.domain.workload import Deployment
    from stackgen.io.tree import RenderedFile


LATE = {"oracle", "render"}
"""Areas of findings, beside the targets' own, that a plan does not have yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A stack file that parses and links."""

    source: Source
    stack: LinkedStack
    file: Path
    lock: Lock = field(default_factory=Lock)
    """What stands beside the stack file, fresh or not."""


class WrongStackError(Exception):
    """The stack file is wrong; carries its source, so that a report can show the places."""

    def __init__(self, source: Source, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(f"{source.name}: {len(diagnostics)} findings")
        self.source = source
        self.diagnostics = diagnostics


def load(path: Path) -> Loaded:
    """Read, parse and link a stack file, or the one in a folder, and read its lock.

    Raises InputError, LockError and WrongStackError.
    """
    from stackgen.app import locking
    from stackgen.data import gpus
    from stackgen.io import stackfile
    from stackgen.spec.link import link
    from stackgen.spec.parse import parse
    from stackgen.spec.source import read

    file = stackfile.find(path)
    text = stackfile.read(file)
    source = Source(name=str(file), text=text, data=None, positions=Positions({}, {(): Position(1, 1)}))
    try:
        source = read(str(file), text)
        stack = link(
            parse(source),
            engines=registry.engines(),
            platforms=registry.platforms(),
            gpu=gpus.gpu,
            gpu_names=gpus.names,
        )
    except StackError as exc:
        raise WrongStackError(source, exc.diagnostics) from exc
    return Loaded(source=source, stack=stack, file=file, lock=locking.read(file))


def plan(stack: LinkedStack, lock: Lock | None = None) -> Plan:
    """The plan of a stack; findings that the owner allowed are notes in it."""
    from stackgen.lock import freshness
    from stackgen.plan import downloads
    from stackgen.plan.solve import solve
    from stackgen.spec import allow

    lock = lock or Lock()
    pinned = freshness.usable(stack.models, lock)
    known = {name: know(model, pinned.entries.get(name)) for name, model in stack.models.items()}
    found = solve(stack, known, registry.engines())
    found = replace(found, downloads=downloads.downloads(found, pinned))
    diagnostics = (
        *found.diagnostics,
        *freshness.passed_over(stack.models, lock),
        *downloads.findings(found, pinned),
    )
    return replace(
        found,
        diagnostics=allow.apply(diagnostics, stack.stack.allow, late=LATE | set(registry.target_names())),
    )


def unlocked(loaded: Loaded) -> tuple[Diagnostic, ...]:
    """Models that are not locked as they are asked for."""
    from stackgen.lock import freshness

    return tuple(
        d for d in freshness.findings(loaded.stack.models, loaded.lock) if d.severity is Severity.ERROR
    )


def know(model: LinkedModel, entry: LockEntry | None = None) -> KnownModel:
    """What is known of a model: from its file when it is here, from the lock, or from the built-in catalog."""
    from stackgen.facts.known import from_catalog, from_header, from_lock

    path = model.request.path
    if path is not None and path.endswith(".gguf") and Path(path).is_file():
        from stackgen.io.local import read_gguf

        return from_header(model, read_gguf(Path(path)))
    return from_catalog(model) if entry is None else from_lock(model, entry)


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """Rendered files by target and by path below the output folder, and what could not be expressed."""

    files: Mapping[str, Mapping[PurePosixPath, "RenderedFile"]]
    diagnostics: tuple[Diagnostic, ...]


def render(planned: Plan, source: Source, targets: Sequence[str] = ()) -> Output:
    """Every file of a plan, for the targets named, or for all platforms.

    A target whose platform no host has renders nothing, so that files of a platform given up are removed.
    Raises StackError when something cannot be expressed; nothing is written.
    """
    from stackgen.spec import allow

    deployment = deploy(planned, PurePosixPath(source.name).name)
    files: dict[str, Mapping[PurePosixPath, RenderedFile]] = {}
    found: list[Diagnostic] = []
    for name in targets or sorted(registry.platforms()):
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
    from stackgen.domain.workload import Deployment, HostDeployment
    from stackgen.plan.ledger import most_of

    engines = registry.engines()
    groups = _group_names(planned.stack.exclusive)

    def host(name: str) -> HostDeployment:
        services = [s for s in planned.services.values() if s.linked.host.name == name]
        return HostDeployment(
            host=planned.stack.hosts[name],
            workloads=tuple(
                replace(
                    engines[s.linked.engine].lower(s, planned),
                    exclusive=tuple(g for g, members in groups if s.linked.name in members),
                )
                for s in services
            ),
        )

    return Deployment(
        name=planned.stack.name,
        source=source_name,
        hosts=tuple(host(name) for name in planned.stack.hosts),
        volumes=planned.stack.volumes,
        exclusive=groups,
        downloads=planned.downloads,
        gpu_memory={name: most_of(service) for name, service in planned.services.items()},
        deploy=planned.stack.stack.deploy,
    )


def _group_names(exclusive: Iterable[frozenset[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(("-or-".join(sorted(group)), tuple(sorted(group))) for group in exclusive)
