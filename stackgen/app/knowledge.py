"""What is known of the models of a stack."""

from dataclasses import replace
from pathlib import Path

from stackgen.domain.linked import LinkedModel, LinkedStack
from stackgen.domain.lock import Lock, LockEntry
from stackgen.domain.plan import KnownModel


def known_models(stack: LinkedStack, lock: Lock) -> dict[str, KnownModel]:
    """What is known of each model by name: from its file when it is here, from the lock, or from the catalog."""
    from stackgen.lock import freshness

    entries = freshness.usable(stack.models, lock).entries
    return {name: _know(model, entries.get(name)) for name, model in stack.models.items()}


def _know(model: LinkedModel, entry: LockEntry | None) -> KnownModel:
    from stackgen.facts.known import from_catalog, from_header, from_lock

    path = model.request.path
    if path is not None and path.endswith(".gguf") and Path(path).is_file():
        from stackgen.io.local import read_gguf

        found = from_header(model, read_gguf(Path(path)))
        # What the engine said is of the file as it was locked.
        same = entry is not None and entry.facts == found.facts
        return replace(found, measured=entry.measured) if entry and same else found
    return from_catalog(model) if entry is None else from_lock(model, entry)
