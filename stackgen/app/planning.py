"""What is known of the models, and the plan that follows from it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from stackgen import registry
from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.linked import LinkedModel, LinkedStack
from stackgen.domain.lock import Lock, LockEntry
from stackgen.domain.plan import KnownModel, Plan

LATE = {"oracle", "render"}
"""Areas of findings, beside the targets' own, that a plan does not have yet."""


def plan(stack: LinkedStack, lock: Lock | None = None) -> Plan:
    """The plan of a stack; findings that the owner allowed are notes in it."""
    from stackgen.lock import freshness
    from stackgen.plan import downloads
    from stackgen.plan.solve import solve
    from stackgen.spec import allow

    lock = lock or Lock()
    pinned = freshness.usable(stack.models, lock)
    known = known_models(stack, lock)
    engines = registry.engines()
    found = solve(stack, known, engines)
    if any(gpu.free < 0 for gpu in found.gpus):
        from stackgen.facts.known import smaller
        from stackgen.plan.advice import advised

        found = advised(found, known, engines, smaller)
    found = replace(found, downloads=downloads.downloads(found, pinned, engines))
    diagnostics = (
        *found.diagnostics,
        *freshness.passed_over(stack.models, lock),
        *_stale_figures(stack, lock),
        *downloads.findings(found, pinned),
    )
    return replace(
        found,
        diagnostics=allow.apply(diagnostics, stack.stack.allow, late=LATE | set(registry.target_names())),
    )


def _stale_figures(stack: LinkedStack, lock: Lock) -> Iterable[Diagnostic]:
    if not any(entry.measured for entry in lock.entries.values()):
        return ()
    from stackgen.app.measuring import stale

    return stale(stack, lock)


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
