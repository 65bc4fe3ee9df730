"""Rules about main memory and CPUs: limits that would kill a service, and what a node cannot keep free for all."""

from collections.abc import Iterable

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedHost
from stackgen.domain.plan import Plan, Resident
from stackgen.domain.units import show_cpus, show_size
from stackgen.domain.wording import one_of, quoted
from stackgen.plan.ledger import by_host, largest, requested


def ram_limits(plan: Plan) -> Iterable[Diagnostic]:
    """Services that are killed at their limit, when their models are loaded or when their caches have filled."""

    def high(resident: Resident) -> int:
        return resident.host.high

    for name, service in plan.services.items():
        limit = service.linked.ram.limit
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


def requests(plan: Plan) -> Iterable[Diagnostic]:
    """Main memory and CPUs that a node cannot keep free for all who ask for them: who comes last stays Pending."""
    here, groups = by_host(plan.stack, plan.stack.services), plan.stack.exclusive
    for host in plan.stack.hosts.values():
        asked = requested(host, here[host.name], "ram", groups)
        room = None if host.ram is None else host.ram - host.scheduled.get("ram", 0)
        if room is not None and (total := sum(asked.values())) > room:
            what = f"{show_size(total)} of main memory, and it grants {show_size(room)} at most"
            yield _pending("plan/ram-requests", host, "ram", asked, what)
        asked = requested(host, here[host.name], "cpu", groups)
        if host.cpus is not None and (total := sum(asked.values())) > host.cpus:
            what = f"{show_cpus(total)} CPUs, and it has {show_cpus(host.cpus)}"
            yield _pending("plan/cpu-requests", host, "cpus", asked, what)


def _pending(kind: str, host: LinkedHost, key: str, asked: Iterable[str], what: str) -> Diagnostic:
    names = sorted(asked)
    alone = len(names) == 1
    return error(
        kind,
        ("hosts", host.name, key),
        f"{one_of(quoted(names), 'and')} ask{'s' if alone else ''} {host.name} for {what}: "
        f"{'it' if alone else 'one of them'} would stay Pending",
        f"a smaller `{key}: {{request: …}}`" + ("" if alone else ", or an exclusive group of services"),
    )


def cpu_limits(plan: Plan) -> Iterable[Diagnostic]:
    """Limits that no program can reach."""
    for service in plan.stack.services.values():
        for host in service.hosts:
            limit, there = service.cpus.limit, host.cpus
            if limit is not None and there is not None and limit > there:
                yield warning(
                    "plan/cpu-limit",
                    (*service.path, "cpus"),
                    f"`{service.name}` may take {show_cpus(limit)} CPUs, and {host.name} has {show_cpus(there)}",
                    f"at most {show_cpus(there)}, or no limit, which lets it take all of them",
                )
