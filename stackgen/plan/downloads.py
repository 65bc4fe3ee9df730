"""Which files must be on which volume before the services can start: the locked models of a plan."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stackgen.domain.diagnostic import Diagnostic, warning
from stackgen.domain.linked import SecretKey
from stackgen.domain.lock import Lock, LockEntry
from stackgen.domain.plan import Plan, PlannedService

if TYPE_CHECKING:
    from stackgen.domain.workload import Download

ROLE = "models"
"""The volume of a service that holds its weights, whatever the engine."""


def downloads(plan: Plan, lock: Lock) -> "tuple[Download, ...]":
    """A download for each locked model on each volume, in the order of their names."""
    users: dict[tuple[str, str], list[PlannedService]] = {}
    for service in plan.services.values():
        volume = service.linked.volumes.get(ROLE)
        for model in service.known:
            if volume is not None and model in lock.entries and lock.entries[model].request.path is None:
                users.setdefault((volume, model), []).append(service)
    return tuple(
        _download(model, volume, lock.entries[model], users[volume, model], _token(plan))
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
    model: str, volume: str, entry: LockEntry, services: list[PlannedService], token: SecretKey | None
) -> "Download":
    from stackgen.domain.workload import Download, DownloadFile

    return Download(
        model=model,
        volume=volume,
        repo=entry.pin.repo or "",
        commit=entry.pin.commit or "",
        files=tuple(
            DownloadFile(
                path=f.path,
                target=entry.target(f),
                size=f.size,
                sha256=f.sha256,
                oid=f.oid,
                url=entry.url(f),
            )
            for f in entry.pin.files
        ),
        hosts=tuple(sorted({host.name for s in services for host in s.linked.hosts})),
        services=tuple(sorted(s.linked.name for s in services)),
        token=token if entry.pin.gated else None,
    )
