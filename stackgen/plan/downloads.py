"""Which files must be on which volume before the services can start: the locked models of a plan."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stackgen.domain.contracts import Engines, Store
from stackgen.domain.diagnostic import Diagnostic, warning
from stackgen.domain.linked import SecretKey
from stackgen.domain.lock import Lock, LockEntry
from stackgen.domain.plan import Plan, PlannedService

if TYPE_CHECKING:
    from stackgen.domain.workload import Download, DownloadFile

ROLE = "models"
"""The volume of a service that holds its weights, whatever the engine."""


def downloads(plan: Plan, lock: Lock, engines: Engines) -> "tuple[Download, ...]":
    """A download for each locked model on each volume, in the order of their names."""
    users: dict[tuple[str, str], list[PlannedService]] = {}
    for service in plan.services.values():
        volume = service.linked.volumes.get(ROLE)
        for model in service.known:
            if volume is not None and model in lock.entries and lock.entries[model].request.path is None:
                users.setdefault((volume, model), []).append(service)
    return tuple(
        _download(model, volume, lock.entries[model], users[volume, model], engines, _token(plan))
        for volume, model in sorted(users)
    )


def findings(plan: Plan, lock: Lock) -> Iterable[Diagnostic]:
    """Gated models that nobody could download."""
    wanted = {download.model for download in plan.downloads}
    for name in sorted(wanted):
        if lock.entries[name].pin.gated and _token(plan) is None:
            yield warning(
                "lock/gated-without-token",
                ("models", name),
                f"`{name}` is gated: downloads need a token of an account that may read it",
                "name the secret that holds it: deploy: {hub_token: {name: hugging-face, key: token}}",
            )


def _token(plan: Plan) -> SecretKey | None:
    reference = plan.stack.stack.deploy.hub_token
    return None if reference is None else SecretKey(reference.name, reference.key)


def _download(
    model: str,
    volume: str,
    entry: LockEntry,
    services: list[PlannedService],
    engines: Engines,
    token: SecretKey | None,
) -> "Download":
    from stackgen.domain.workload import Download

    return Download(
        model=model,
        volume=volume,
        repo=entry.pin.repo or "",
        commit=entry.pin.commit or "",
        # Services that keep it in the same way need each file once.
        files=tuple(dict.fromkeys(f for s in services for f in _files(model, entry, s, engines))),
        hosts=tuple(sorted({host.name for s in services for host in s.linked.hosts})),
        services=tuple(sorted(s.linked.name for s in services)),
        token=token if entry.pin.gated else None,
    )


def _files(
    model: str, entry: LockEntry, service: PlannedService, engines: Engines
) -> "Iterable[DownloadFile]":
    engine = engines[service.linked.engine]
    if isinstance(engine, Store):
        for use in service.linked.models:
            if use.model.name == model:
                yield from engine.stored(service.linked, use, entry)
        return
    for file in entry.pin.files:
        yield entry.download(file, entry.target(file))
