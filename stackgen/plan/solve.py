"""Puts every resident on its GPUs, finds the largest safe `models_max`, and gives the verdict."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from stackgen.domain.contracts import Connected, Engines, Gateway
from stackgen.domain.diagnostic import Diagnostic, YamlPath, error
from stackgen.domain.footprint import NOTHING, Basis, Memory, TermName, exact
from stackgen.domain.interface import Interface
from stackgen.domain.linked import LinkedService, LinkedStack, MeasuredUse
from stackgen.domain.plan import (
    Demand,
    KnownModel,
    Limit,
    Plan,
    PlannedService,
    Resident,
    Verdict,
)
from stackgen.domain.units import show_size
from stackgen.plan import checks
from stackgen.plan.ledger import gpu_ledgers, host_ledgers
from stackgen.plan.scenarios import work_out

OVER_BUDGET: Final = "plan/over-budget"


def solve(stack: LinkedStack, known: Mapping[str, KnownModel], engines: Engines) -> Plan:
    """The plan of a linked stack; `known` is by model name. Findings are data in it, nothing is raised."""
    demands = {
        name: measured(engines[service.engine].demand(service, known), service, stack.measured)
        for name, service in stack.services.items()
    }
    loaded = {name: demand.residents for name, demand in demands.items()}
    limits = safe_limits(stack, demands)
    gpus = gpu_ledgers(stack, loaded, limits)
    hosts = host_ledgers(stack, loaded, limits)
    scenarios = tuple(work_out(stack, scenario, loaded, limits) for scenario in stack.scenarios)
    unknown = any(demand.unknown for demand in demands.values())
    over = any(gpu.free < 0 for gpu in gpus)
    services = {
        name: PlannedService(
            linked=service,
            demand=demands[name],
            models_max=limits[name],
            known={
                model: known[model]
                for model in (*(u.model.name for u in service.models), *demands[name].further_models)
                if model in known
            },
        )
        for name, service in stack.services.items()
    }
    plan = Plan(
        stack=stack,
        verdict=Verdict.OVER_BUDGET if over else Verdict.UNKNOWN if unknown else Verdict.FITS,
        gpus=gpus,
        hosts=hosts,
        scenarios=scenarios,
        services=services,
        interfaces=interfaces(services, engines),
    )
    return replace(plan, diagnostics=tuple(_findings(plan, known, engines)))


def interfaces(services: Mapping[str, PlannedService], engines: Engines) -> dict[str, Interface]:
    """How others talk to each service; a gateway offers what is behind it."""
    engine_of = {name: engines[service.linked.engine] for name, service in services.items()}
    direct = {
        name: engine.interface(services[name])
        for name, engine in engine_of.items()
        if not isinstance(engine, Gateway)
    }
    return {
        name: engine.gateway(services[name], direct) if isinstance(engine, Gateway) else direct[name]
        for name, engine in engine_of.items()
    }


def _findings(plan: Plan, known: Mapping[str, KnownModel], engines: Engines) -> Iterable[Diagnostic]:
    yield from plan.stack.notes
    sized = _sized_by_measurement(plan)
    for name, model in known.items():
        if model.facts is not None or name not in sized:
            yield from model.diagnostics
    for name, service in plan.stack.services.items():
        yield from engines[service.engine].check(service, known)
        yield from plan.services[name].demand.diagnostics
        if isinstance(engine := engines[service.engine], Connected):
            yield from engine.connections(plan.services[name], plan)
    yield from checks.run(plan)
    yield from over_budget(plan)


def over_budget(plan: Plan) -> Iterable[Diagnostic]:
    """One finding per GPU over its budget, with the arithmetic."""
    for ledger in plan.gpus:
        if ledger.free >= 0:
            continue
        parts = " + ".join(f"{r.label} {show_size(m.high)}" for r, m in ledger.residents)
        yield error(
            OVER_BUDGET,
            ("hosts", ledger.host, "gpus", ledger.index),
            f"GPU {ledger.index} of {ledger.host} ({ledger.model}) needs {show_size(ledger.high)} at worst, has "
            f"{show_size(ledger.usable)} usable and lacks {show_size(-ledger.free)}: {parts}",
            related=tuple(
                (_place(plan, resident), f"takes {show_size(memory.high)} there")
                for resident, memory in ledger.residents
            ),
        )


def _place(plan: Plan, resident: Resident) -> YamlPath:
    path = plan.stack.services[resident.service].path
    return path if resident.use is None else (*path, "models", resident.use)


def measured(demand: Demand, service: LinkedService, figures: Sequence[MeasuredUse]) -> Demand:
    """The demand with measured figures in place of ours, for the uses that have any: also where we have none."""
    by_use = {m.use.use: m for m in figures if m.use.service == service.name}
    if not by_use:
        return demand
    sized = {resident.use for resident in demand.residents}
    blank = dict.fromkeys((gpu.index for gpu in service.gpus), NOTHING)
    added = {u.id: u for u in service.models if u.id in by_use and u.id not in sized}
    residents = (*demand.residents, *(Resident(service=service.name, use=use, gpus=blank) for use in added))
    told = {use.path for use in added.values()}
    return replace(
        demand,
        residents=tuple(_measured_resident(r, by_use.get(r.use)) for r in residents),
        diagnostics=tuple(d for d in demand.diagnostics if d.path not in told),
        unknown=demand.unknown and any(use.id not in sized | by_use.keys() for use in service.models),
    )


def _sized_by_measurement(plan: Plan) -> set[str]:
    """Names of models that a plan needs to know nothing of, because all that they serve was measured."""
    figures = {(m.use.service, m.use.use) for m in plan.stack.measured}
    uses = [use for service in plan.stack.services.values() for use in service.models]
    unsized = {use.model.name for use in uses if (use.service, use.id) not in figures}
    return {use.model.name for use in uses} - unsized


def _measured_resident(resident: Resident, figure: MeasuredUse | None) -> Resident:
    if figure is None:
        return resident

    def term(size: int) -> Memory:
        return Memory((exact(TermName.DECLARED, size, Basis.MEASURED, f"measured: {figure.reason}"),))

    return resident._replace(
        gpus={index: term(size) for index, size in zip(resident.gpus, figure.gpus, strict=False)},
        host=resident.host if figure.ram is None else term(figure.ram),
    )


def safe_limits(stack: LinkedStack, demands: Mapping[str, Demand]) -> dict[str, int]:
    """How many residents of each service may be loaded at once, host by host."""
    limits: dict[str, int] = {}
    for host in stack.hosts.values():
        here = {n: d for n, d in demands.items() if host in stack.services[n].hosts}
        found = _limits_on(replace(stack, hosts={host.name: host}), here)
        limits |= {name: min(limit, limits.get(name, limit)) for name, limit in found.items()}
    return {name: limits[name] for name in demands}


def _limits_on(stack: LinkedStack, demands: Mapping[str, Demand]) -> dict[str, int]:
    """`auto` starts with one model (or all that are loaded at start) and is raised, service by service in
    turn, as long as every GPU and every host that the service uses still fits in the worst case."""
    loaded = {name: demand.residents for name, demand in demands.items()}
    limits = {name: first_limit(demand) for name, demand in demands.items()}
    growing = [name for name, demand in demands.items() if demand.limit is Limit.AUTO]
    while growing:
        for name in list(growing):
            raised = limits | {name: limits[name] + 1}
            if raised[name] <= len(loaded[name]) and _fits(stack, name, loaded, raised):
                limits = raised
            else:
                growing.remove(name)
    return limits


def first_limit(demand: Demand) -> int:
    """How many models must be able to be loaded at once in any case."""
    if isinstance(demand.limit, int):
        # llama-server's 0 means no limit.
        return demand.limit or len(demand.residents)
    if demand.limit is Limit.ALL:
        return len(demand.residents)
    return max(1, sum(r.pinned for r in demand.residents))


def _fits(
    stack: LinkedStack, service: str, loaded: Mapping[str, Sequence[Resident]], limits: Mapping[str, int]
) -> bool:
    """Whether the GPUs of a service, and the main memory of its hosts, are within their budget."""
    linked = stack.services[service]
    names = {host.name for host in linked.hosts}
    mine = {(name, gpu.index) for name in names for gpu in linked.gpus}
    gpus, hosts = gpu_ledgers(stack, loaded, limits), host_ledgers(stack, loaded, limits)
    return all(g.free >= 0 for g in gpus if (g.host, g.index) in mine) and all(
        h.ram is None or h.ram_high <= h.ram for h in hosts if h.host in names
    )
