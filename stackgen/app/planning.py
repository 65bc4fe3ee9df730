"""The plan that follows from what is known of the models."""

from collections.abc import Iterable
from dataclasses import replace

from stackgen import registry
from stackgen.app.knowledge import known_models
from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.linked import LinkedStack
from stackgen.domain.lock import Lock
from stackgen.domain.plan import Plan

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
