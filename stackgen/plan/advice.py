"""What to change when GPUs are over their budget: one block for each set of residents that does not fit together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from stackgen.domain.contracts import Engines
from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.plan import Advice, GpuLedger, KnownModel, Plan, Shortfall
from stackgen.domain.units import show_size
from stackgen.plan import trial as trials
from stackgen.plan.solve import OVER_BUDGET
from stackgen.plan.trial import Quantizations, Trial
from stackgen.plan.ways import Made, Way, made, rank, ways

MOST_WAYS: Final = 5
"""More to choose from is no help."""
MOST_SHORTFALLS: Final = 8
"""On one host; the rest comes up when these are mended."""


def advised(
    plan: Plan, known: Mapping[str, KnownModel], engines: Engines, quantizations: Quantizations
) -> Plan:
    """The plan with its shortfalls, and their cheapest ways out as hints of its findings."""
    hosts = dict.fromkeys(ledger.host for ledger in plan.gpus if ledger.free < 0)
    found = tuple(
        shortfall
        for host in hosts
        for shortfall in _shortfalls(trials.of(plan, known, engines, quantizations, host))
    )
    return replace(plan, shortfalls=found, diagnostics=tuple(_hinted(d, found) for d in plan.diagnostics))


def _shortfalls(start: Trial) -> Iterator[Shortfall]:
    """One after the other, each as if the ones before it were mended in the cheapest way."""
    found: list[tuple[GpuLedger, Trial, list[Way]]] = []
    now, hopeless = start, []
    for _ in range(MOST_SHORTFALLS):
        worst = min(now.ledgers(), key=lambda ledger: ledger.free)
        if worst.free >= 0:
            break
        small = now.only(resident.label for resident, _ in worst.residents)
        listed = ways(small)
        found.append((worst, small, listed))
        if listed and (mended := made(now, listed[0])):
            now = mended.trial
        else:
            hopeless.append(worst.residents[0][0].label)
            now = now.without(hopeless[-1:])
    rest = start.without(hopeless)
    first = [listed[0] if listed else () for _, _, listed in found]
    errors = rest.errors()
    for index, (worst, small, listed) in enumerate(found):

        def enough(way: Way, index: int = index) -> bool:
            """Whether the whole host fits with this way and the first of all others, and nothing else breaks."""
            all_made = made(rest, [s for i, w in enumerate(first) for s in (way if i == index else w)])
            return all_made is not None and all_made.trial.fits() and all_made.trial.errors() <= errors

        kept = [way for way in _various(listed) if enough(way)][:MOST_WAYS]
        yield Shortfall(
            host=worst.host,
            gpus=tuple(ledger.index for ledger in small.ledgers() if ledger.free < 0),
            lacks=-worst.free,
            residents=tuple(resident.label for resident, _ in worst.residents),
            ways=tuple(_advice(way, small, worst) for way in kept),
        )


def _various(listed: list[Way]) -> list[Way]:
    """The cheapest of those that turn the same knobs of the same thing."""
    kinds: dict[frozenset[tuple[str, str]], Way] = {}
    for way in sorted(listed, key=rank):
        kinds.setdefault(frozenset((step.at, step.knob) for step in way), way)
    return list(kinds.values())


def _advice(way: Way, small: Trial, worst: GpuLedger) -> Advice:
    changed = made(small, way) or Made(small)
    after = next(ledger.high for ledger in changed.trial.ledgers() if ledger.index == worst.index)
    return Advice(
        at=" and ".join(dict.fromkeys(step.at for step in way)),
        change=", ".join(changed.changes),
        cost=max(step.cost for step in way),
        price="; ".join(dict.fromkeys(step.price for step in way)),
        saves=worst.high - after,
    )


def _hinted(finding: Diagnostic, shortfalls: Iterable[Shortfall]) -> Diagnostic:
    if finding.kind != OVER_BUDGET:
        return finding
    _, host, _, index = finding.path
    here = [s for s in shortfalls if s.host == host and index in s.gpus]
    if not here:
        return finding
    if index != here[0].gpus[0]:
        return replace(finding, hint=f"as for GPU {here[0].gpus[0]}")
    return replace(finding, hint="; and ".join(map(_hint, here)))


def _hint(shortfall: Shortfall) -> str:
    who = " + ".join(shortfall.residents)
    if not shortfall.ways:
        return (
            f"for {who} no option is enough: choose smaller weights (another quantization or another model), "
            "or more GPUs"
        )
    best = shortfall.ways[0]
    place = f"{best.at}: " if best.at else ""
    return f"{place}{best.change} (saves {show_size(best.saves)}; {best.price})"
