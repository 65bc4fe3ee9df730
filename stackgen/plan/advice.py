"""What to change when a GPU is over its budget: ranked by what it costs the user, with the bytes it saves."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from stackgen.domain.contracts import Engine, Engines
from stackgen.domain.diagnostic import Diagnostic, Severity
from stackgen.domain.footprint import NOTHING
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Advice, GpuLedger, KnownModel, Limit, Plan, Resident
from stackgen.domain.units import show_size
from stackgen.plan.ledger import gpu_ledgers

MAX_STEPS = 6
"""Changes that a combined advice may join; more would be another stack."""


def over_budget(plan: Plan, known: Mapping[str, KnownModel], engines: Engines) -> Iterable[Diagnostic]:
    """One finding per GPU over its budget, with the arithmetic and the cheapest way out."""
    for ledger in plan.gpus:
        if ledger.free >= 0:
            continue
        parts = " + ".join(f"{r.label} {show_size(m.high)}" for r, m in ledger.residents)
        ways = advise(plan, ledger, known, engines)
        yield Diagnostic(
            kind="plan/over-budget",
            severity=Severity.ERROR,
            path=("hosts", ledger.host, "gpus", ledger.index),
            message=(
                f"GPU {ledger.index} of {ledger.host} ({ledger.model}) needs {show_size(ledger.high)} "
                f"at worst, has {show_size(ledger.usable)} usable and lacks {show_size(-ledger.free)}: {parts}"
            ),
            hint=_hint(ways),
            related=tuple(
                (_place(plan, resident), f"takes {show_size(memory.high)} there")
                for resident, memory in ledger.residents
            ),
        )


def _place(plan: Plan, resident: Resident) -> tuple[str | int, ...]:
    path = plan.stack.services[resident.service].path
    return path if resident.use is None else (*path, "models", resident.use)


def _hint(ways: tuple[Advice, ...]) -> str:
    if not ways:
        return (
            "move a service to another GPU, put rivals into an `exclusive` group, or choose smaller weights"
        )
    enough = _distinct(w for w in ways if w.enough)
    if enough:
        return "; or ".join(
            f"{w.change} (in {w.service}) saves {show_size(w.saves)} and fits" for w in enough[:3]
        )
    most = max(ways, key=lambda w: w.saves)
    return (
        "no option is enough: choose smaller weights (another quantization or another model), or more GPUs; most is "
        f"saved by {most.change} (in {most.service}): {show_size(most.saves)}"
    )


def _distinct(ways: Iterable[Advice]) -> list[Advice]:
    """The first of those that change the same thing, only further."""
    first: dict[tuple[str, str], Advice] = {}
    for way in ways:
        first.setdefault((way.service, way.change.partition(":")[0]), way)
    return list(first.values())


def advise(
    plan: Plan, ledger: GpuLedger, known: Mapping[str, KnownModel], engines: Engines
) -> tuple[Advice, ...]:
    """Ways out for one GPU, what suffices alone first, then cheapest first."""
    found = [
        a
        for service in _services_on(plan, ledger)
        for a in _for_service(plan, ledger, service, known, engines)
    ]
    found.extend(_take_turns(ledger))

    def rank(a: Advice) -> tuple[bool, int, int, str, str]:
        # Of what is enough, the change that goes less far; of what is not, the one that goes further.
        return not a.enough, a.cost, a.saves if a.enough else -a.saves, a.service, a.change

    return tuple(sorted(found, key=rank))


def _services_on(plan: Plan, ledger: GpuLedger) -> list[LinkedService]:
    names = dict.fromkeys(resident.service for resident, _ in ledger.residents)
    return [plan.stack.services[name] for name in names]


def _for_service(
    plan: Plan, ledger: GpuLedger, service: LinkedService, known: Mapping[str, KnownModel], engines: Engines
) -> Iterable[Advice]:
    yield from _fewer_at_once(plan, ledger, service)
    engine = engines[service.engine]
    for use in service.models:
        if not any(r.use == use.id and r.service == service.name for r, _ in ledger.residents):
            continue
        singles = [a for a in _single_changes(plan, ledger, service, use, known, engine) if a.saves > 0]
        yield from singles
        if singles and not any(a.enough for a in singles):
            yield from _combined(plan, ledger, service, use, known, engine)


def _take_turns(ledger: GpuLedger) -> Iterable[Advice]:
    """An exclusive group of the services that weigh most, as few of them as it takes."""
    weights: dict[str, int] = {}
    for resident, memory in ledger.residents:
        weights[resident.service] = weights.get(resident.service, 0) + memory.high
    heaviest = sorted(weights, key=lambda name: (-weights[name], name))
    for count in range(2, len(heaviest) + 1):
        group = heaviest[:count]
        high = ledger.high - sum(weights[name] for name in group[1:])
        if high <= ledger.usable:
            names = ", ".join(sorted(group))
            saves = ledger.high - high
            yield Advice(
                service="the stack", change=f"exclusive: [[{names}]]", cost=4, saves=saves, enough=True
            )
            return


def _fewer_at_once(plan: Plan, ledger: GpuLedger, service: LinkedService) -> Iterable[Advice]:
    planned = plan.services[service.name]
    if planned.demand.limit is Limit.ALL:
        return
    for count in range(planned.models_max - 1, 0, -1):
        after = _ledger_with(plan, ledger, service, planned.demand.residents, count)
        if after.free >= 0:
            yield Advice(
                service=service.name,
                change=f"models_max: {count}",
                cost=5,
                saves=ledger.high - after.high,
                enough=True,
            )
            return


def _single_changes(
    plan: Plan,
    ledger: GpuLedger,
    service: LinkedService,
    use: LinkedUse,
    known: Mapping[str, KnownModel],
    engine: Engine,
) -> Iterable[Advice]:
    for alternative in engine.alternatives(service, use):
        after = _after(plan, ledger, alternative.service, known, engine)
        yield Advice(
            service=f"{service.name}/{use.id}",
            change=alternative.change,
            cost=alternative.cost,
            saves=ledger.high - after.high,
            enough=after.free >= 0,
        )


def _combined(
    plan: Plan,
    ledger: GpuLedger,
    service: LinkedService,
    use: LinkedUse,
    known: Mapping[str, KnownModel],
    engine: Engine,
) -> Iterable[Advice]:
    """Cheapest changes put on top of each other until the GPU fits; nothing when it never does."""
    changes: list[str] = []
    current, cost, before = service, 0, ledger
    for _ in range(MAX_STEPS):
        steps = []
        for alternative in engine.alternatives(current, _same_use(current, use)):
            after = _after(plan, ledger, alternative.service, known, engine)
            if after.high < before.high:
                steps.append((after.free < 0, alternative.cost, after.high, alternative, after))
        if not steps:
            return
        _, step_cost, _, chosen, before = min(steps, key=lambda s: s[:3])
        current, cost = chosen.service, cost + step_cost
        changes.append(chosen.change)
        if before.free >= 0:
            yield Advice(
                service=f"{service.name}/{use.id}",
                change=" with ".join(changes),
                cost=cost,
                saves=ledger.high - before.high,
                enough=True,
            )
            return


def _same_use(service: LinkedService, use: LinkedUse) -> LinkedUse:
    return next(u for u in service.models if u.id == use.id)


def _after(
    plan: Plan, ledger: GpuLedger, changed: LinkedService, known: Mapping[str, KnownModel], engine: Engine
) -> GpuLedger:
    demand = engine.demand(changed, known)
    if len(demand.residents) < len(plan.services[changed.name].demand.residents):
        return ledger  # the engine would refuse it, which saves nothing
    return _ledger_with(plan, ledger, changed, demand.residents, plan.services[changed.name].models_max)


def _ledger_with(
    plan: Plan, ledger: GpuLedger, service: LinkedService, residents: tuple[Resident, ...], limit: int
) -> GpuLedger:
    """The same GPU when one service holds these residents instead, so many of them at once."""
    host = plan.stack.hosts[ledger.host]
    only = replace(
        plan.stack,
        hosts={host.name: replace(host, gpus=tuple(g for g in host.gpus if g.index == ledger.index))},
    )
    loaded = {
        name: planned.demand.residents
        for name, planned in plan.services.items()
        if planned.linked.host.name == host.name
        and any(r.gpus.get(ledger.index, NOTHING) != NOTHING for r in planned.demand.residents)
    } | {service.name: residents}
    limits = {name: plan.services[name].models_max for name in loaded} | {service.name: limit}
    return gpu_ledgers(only, loaded, limits)[0]
