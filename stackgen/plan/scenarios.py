"""Scenarios: what is loaded together, and whether that comes out as the owner expects."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stackgen.domain.linked import LinkedScenario, LinkedStack
from stackgen.domain.plan import Resident, ScenarioResult, Verdict
from stackgen.plan.ledger import gpu_ledgers


def work_out(
    stack: LinkedStack,
    scenario: LinkedScenario,
    loaded: Mapping[str, Sequence[Resident]],
    limits: Mapping[str, int],
) -> ScenarioResult:
    """The ledgers when just these services and models are loaded, all of them at once."""
    chosen: dict[str, list[Resident]] = {}
    counts: dict[str, int] = {}
    for reference in scenario.loaded:
        name = reference.service
        wanted = [r for r in loaded[name] if reference.use in (None, r.use)]
        chosen.setdefault(name, []).extend(r for r in wanted if r not in chosen.get(name, ()))
        counts[name] = limits[name] if reference.use is None else max(counts.get(name, 0), len(chosen[name]))
    # Somebody who names two rivals of an exclusive group wants to know whether they would fit together.
    together = replace(stack, exclusive=())
    ledgers = gpu_ledgers(together, chosen, counts)
    over = any(ledger.free < 0 for ledger in ledgers)
    return ScenarioResult(
        name=scenario.name,
        verdict=Verdict.OVER_BUDGET if over else Verdict.FITS,
        expected=Verdict(scenario.expected),
        gpus=tuple(ledger for ledger in ledgers if ledger.residents),
    )
