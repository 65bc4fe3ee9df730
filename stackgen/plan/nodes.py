"""Rules about what runs a service: limits that would kill it."""

from collections.abc import Iterable

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.plan import Plan, Resident
from stackgen.domain.units import show_size
from stackgen.plan.ledger import largest


def ram_limits(plan: Plan) -> Iterable[Diagnostic]:
    """Services that are killed at their limit, when their models are loaded or when their caches have filled."""

    def high(resident: Resident) -> int:
        return resident.host.high

    for name, service in plan.services.items():
        limit = service.linked.ram
        loaded = largest(service.demand.residents, service.models_max, high)
        need = sum(map(high, loaded))
        if limit is not None and need > limit:
            at_once = sum(resident.host.low for resident in loaded) > limit
            yield error(
                "plan/ram-limit",
                (*service.linked.path, "ram"),
                f"`{name}` may take {show_size(limit)} of main memory, and its models take up to {show_size(need)}: "
                + ("it would be killed when they are loaded" if at_once else "it would be killed in use"),
                f"at least {show_size(need + need // 20)}, or fewer weights on the host"
                + ("" if at_once else ", or a smaller `cache_ram`"),
            )
