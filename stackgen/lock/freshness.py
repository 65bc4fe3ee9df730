"""Which requests of a stack the lock does not answer; by request, so that moving a line changes nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedModel, ModelRequest
from stackgen.domain.lock import Lock


@dataclass(frozen=True, kw_only=True, slots=True)
class Freshness:
    """Models to be locked (missing, or requested otherwise than locked) and entries that nobody asks for."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def stale(self) -> bool:
        """Whether the lock must be made anew."""
        return bool(self.missing or self.changed or self.unused)


def compare(models: Mapping[str, LinkedModel], lock: Lock) -> Freshness:
    """What the lock lacks, has otherwise, or has too much."""
    wanted = {name: m.request for name, m in models.items() if lockable(m.request)}
    return Freshness(
        missing=tuple(n for n in wanted if n not in lock.entries),
        changed=tuple(
            n for n in wanted if n in lock.entries and not same(lock.entries[n].request, wanted[n])
        ),
        unused=tuple(n for n in lock.entries if n not in wanted),
    )


def lockable(request: ModelRequest) -> bool:
    """Whether there is something outside to pin. A path on the target's own disk is not ours to read."""
    return request.repo is not None


def same(locked: ModelRequest, wanted: ModelRequest) -> bool:
    """Whether a pin made for one request answers the other; the catalog's name is not fetched."""
    fields = ("repo", "quant", "path", "revision", "file", "files", "mmproj")
    return all(getattr(locked, f) == getattr(wanted, f) for f in fields)


def findings(models: Mapping[str, LinkedModel], lock: Lock) -> Iterable[Diagnostic]:
    """What is stale, each at its place in stack.yaml."""
    found = compare(models, lock)
    for name in found.missing:
        yield error("lock/missing", ("models", name), f"`{name}` is not locked", "run `stackgen lock`")
    for name in found.changed:
        was, now = lock.entries[name].request, models[name].request
        changes = ", ".join(
            f"{f} {getattr(was, f)!r} became {getattr(now, f)!r}"
            for f in ("repo", "quant", "revision", "file", "files", "mmproj")
            if getattr(was, f) != getattr(now, f)
        )
        yield error(
            "lock/stale", ("models", name), f"`{name}` was locked otherwise: {changes}", "run `stackgen lock`"
        )
    for name in found.unused:
        text = f"the lock has `{name}`, which the stack does not"
        yield warning("lock/unused", ("models",), text, "run `stackgen lock` to drop it")
