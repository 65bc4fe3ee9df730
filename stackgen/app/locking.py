"""Making a lock: what is asked for anew, what stays, and all or nothing that is written."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stackgen.domain.diagnostic import Diagnostic, has_errors
from stackgen.domain.failure import Failure
from stackgen.domain.linked import LinkedStack, ModelRequest
from stackgen.domain.lock import Lock, LockEntry

if TYPE_CHECKING:
    from stackgen.app.resolving import Progress, Source
    from stackgen.io.hub import Hub


class Relock(NamedTuple):
    """A new lock, or what stands in its way; `reached` names what was resolved."""

    lock: Lock
    reached: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether nothing may be written."""
        return has_errors(self.diagnostics)


def read(stack_file: Path) -> Lock:
    """The lock beside a stack file; an empty one when there is none. Raises InputError and LockError."""
    from stackgen.io import lockfile

    path = lockfile.beside(stack_file)
    text = lockfile.read(path)
    if text is None:
        return Lock()
    from stackgen.lock import codec

    return codec.loads(text, path.name)


def write(stack_file: Path, lock: Lock) -> bool:
    """Write the lock beside a stack file; False when it says the same already. Raises InputError."""
    from stackgen.io import lockfile
    from stackgen.lock import codec

    return lockfile.write(lockfile.beside(stack_file), codec.dumps(lock))


def relock(
    stack: LinkedStack,
    old: Lock,
    *,
    upgrade: Sequence[str] | None = None,
    hub: "Hub | None" = None,
    progress: "Progress | None" = None,
) -> Relock:
    """The lock for a stack. Pins of unchanged requests stay, unless named in `upgrade` (empty: all).

    Files of this machine are read again each time: what is locked of them is what is there.
    Raises Failure for an `upgrade` that names no locked model.
    """
    from stackgen.app.resolving import Progress, Resolver
    from stackgen.io.disk import is_here
    from stackgen.lock.freshness import compare, is_elsewhere

    fresh = compare(stack.models, old)
    for name in upgrade or ():
        if name not in old.entries:
            raise Failure(
                f"there is no locked model {name!r}", f"locked are: {', '.join(old.entries) or 'none'}"
            )
    moving = set(upgrade or old.entries) if upgrade is not None else set()
    wanted = {*fresh.missing, *fresh.changed, *moving}
    names = [
        name
        for name, model in stack.models.items()
        if (name in wanted if is_elsewhere(model.request) else is_here(model.request))
    ]
    kept = {n: e for n, e in old.entries.items() if n not in {*names, *fresh.changed, *fresh.unused}}
    progress = progress or Progress()
    progress.total = len(names)
    made = Resolver(_Sources(hub), progress).resolve([stack.models[n] for n in names])
    entries = {n: _with_figures(e, old.entries.get(n)) for n, (e, _) in made.items() if e is not None}
    return Relock(
        lock=Lock(entries=kept | entries),
        reached=tuple(entries),
        diagnostics=tuple(d for _, found in made.values() for d in found),
    )


def _with_figures(entry: LockEntry, old: LockEntry | None) -> LockEntry:
    """What the engine said of a model holds as long as its files are the same."""
    same = old is not None and (old.pin.files, old.facts) == (entry.pin.files, entry.facts)
    return replace(entry, measured=old.measured) if old and same else entry


class _Sources:
    """The source of each request; those that several share are made once, and when the first needs them."""

    def __init__(self, hub: "Hub | None") -> None:
        self._made: dict[str, Source] = {} if hub is None else {"hf": hub}

    def __call__(self, request: ModelRequest) -> "Source":
        kind, text = request.source
        if kind == "url":
            from stackgen.io.web import Web

            return Web(text)
        if kind not in self._made:
            self._made[kind] = _source(kind)
        return self._made[kind]


def _source(kind: str) -> "Source":
    match kind:
        case "hf":
            from stackgen.io.hub import Hub

            return Hub()
        case "ollama":
            from stackgen.io.registry import Registry

            return Registry()
        case _:
            from stackgen.io.disk import Disk

            return Disk()
