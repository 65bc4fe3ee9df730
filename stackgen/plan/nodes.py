"""Rules about what runs a service: limits that would kill it, and cards that nobody gets two of."""

from collections.abc import Iterable

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.linked import LinkedHost, LinkedService
from stackgen.domain.plan import Plan, Resident
from stackgen.domain.units import show_size
from stackgen.domain.wording import one_of, quoted
from stackgen.plan.ledger import heaviest_choice, largest


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


def whole_cards(plan: Plan) -> Iterable[Diagnostic]:
    """More cards asked for than there are: who comes last waits for ever."""
    for host in plan.stack.hosts.values():
        if "gpus" not in host.scheduled:
            continue
        wanted = _wanted(plan, host)
        chosen = heaviest_choice(wanted, plan.stack.exclusive)
        there = len(host.gpus) * (host.sharing.replicas if host.sharing else 1)
        if (asked := sum(wanted[name] for name in chosen)) > there:
            names = sorted(name for name in chosen if wanted[name])
            yield error(
                "plan/whole-cards",
                ("hosts", host.name, "gpus"),
                f"{one_of(quoted(names), 'and')} ask for {asked} cards, of which {host.name} has {there}: "
                "one of them would stay Pending",
                f"exclusive: [[{', '.join(names)}]], of which the first runs; or gpu_sharing, if all fit at once",
            )


def _wanted(plan: Plan, host: LinkedHost) -> dict[str, int]:
    """The number of cards that each service asks for on a host."""

    def on_it(service: LinkedService) -> bool:
        return any(other.name == host.name for other in service.hosts)

    return {
        name: len(s.linked.gpus) for name, s in plan.services.items() if on_it(s.linked) and s.linked.gpus
    }
