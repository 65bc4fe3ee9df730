"""Which requests of a stack the lock does not answer; by request, so that moving a line changes nothing."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedModel, ModelRequest
from stackgen.domain.lock import Lock

ASKED: Final = ("repo", "quant", "ollama", "url", "sha256", "path", "revision", "file", "files", "mmproj")
"""What a request is made of; its name in the catalog is not fetched."""
HOW: Final = "run `stackgen lock`"


class Freshness(NamedTuple):
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
    wanted = {name: m.request for name, m in models.items()}
    return Freshness(
        missing=tuple(n for n in wanted if n not in lock.entries and is_elsewhere(wanted[n])),
        changed=tuple(
            n for n in wanted if n in lock.entries and not same(lock.entries[n].request, wanted[n])
        ),
        unused=tuple(n for n in lock.entries if n not in wanted),
    )


def is_elsewhere(request: ModelRequest) -> bool:
    """Whether it comes from a server. A path on a host's own disk can be locked only where that disk is."""
    return request.path is None


def same(locked: ModelRequest, wanted: ModelRequest) -> bool:
    """Whether a pin made for one request answers the other."""
    return all(getattr(locked, f) == getattr(wanted, f) for f in ASKED)


def usable(models: Mapping[str, LinkedModel], lock: Lock) -> Lock:
    """The entries that answer what the stack asks for now."""
    return Lock(
        entries={
            name: entry
            for name, entry in lock.entries.items()
            if name in models and same(entry.request, models[name].request)
        }
    )


def findings(models: Mapping[str, LinkedModel], lock: Lock) -> Iterable[Diagnostic]:
    """What is stale, each at its place in stack.yaml, for those who want everything locked."""
    found = compare(models, lock)
    for name in found.missing:
        yield error("lock/missing", models[name].path, f"`{name}` is not locked", HOW)
    for name in found.changed:
        yield error("lock/stale", models[name].path, _change(lock, models[name]), HOW)
    for name in found.unused:
        text = f"stack.lock has `{name}`, which the stack does not ask for"
        yield warning("lock/unused", ("models",), text, "run `stackgen lock` to drop it")


def passed_over(models: Mapping[str, LinkedModel], lock: Lock) -> Iterable[Diagnostic]:
    """Entries that a plan cannot use, because they answer another request."""
    for name in compare(models, lock).changed:
        yield warning("lock/stale", models[name].path, _change(lock, models[name]), HOW)


def _change(lock: Lock, model: LinkedModel) -> str:
    was, now = lock.entries[model.name].request, model.request
    changes = ", ".join(
        f"{f} was {_shown(getattr(was, f))} and is {_shown(getattr(now, f))}"
        for f in ASKED
        if getattr(was, f) != getattr(now, f)
    )
    return f"`{model.name}` was locked for another request: {changes}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        value = ", ".join(f"{folder}: {file}" for folder, file in value)
    return f"{value}" if value else "not given"
