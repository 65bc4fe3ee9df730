"""Rules about cards that a platform hands out by number: whether there are enough, and whether any of them will do."""

from collections.abc import Iterable, Mapping, Sequence

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedGpu, LinkedHost
from stackgen.domain.plan import Plan, PlannedService
from stackgen.domain.units import show_size
from stackgen.domain.wording import one_of, quoted
from stackgen.plan.ledger import heaviest_choice, most_of, usable

_BY_NAME = "deploy: {cluster: {gpus: claims}} gives each service the card that it names"
_APART = "a node of its own for each kind of card"


def whole_cards(plan: Plan) -> Iterable[Diagnostic]:
    """More cards asked for than there are: who comes last waits for ever."""
    for host in plan.stack.hosts.values():
        for pool in _pools(host):
            wanted = {
                name: n for name, service in _users(plan, host).items() if (n := len(_of(service, pool)))
            }
            chosen = heaviest_choice(wanted, plan.stack.exclusive)
            there = len(pool) * _shares(host, pool)
            if (asked := sum(wanted[name] for name in chosen)) > there:
                names = sorted(chosen)
                sharing = "; or gpu_sharing, if all fit at once" if pool[0].vendor == "nvidia" else ""
                yield error(
                    "plan/whole-cards",
                    ("hosts", host.name, "gpus"),
                    f"{one_of(quoted(names), 'and')} ask for {asked} {_kind(pool)}, of which {host.name} has {there}: "
                    "one of them would stay Pending",
                    f"exclusive: [[{', '.join(names)}]], of which the first runs{sharing}",
                )


def any_card(plan: Plan) -> Iterable[Diagnostic]:
    """Services that may get another card than the plan counts with: one too small for them, or one unlike it."""
    for host in plan.stack.hosts.values():
        for pool in _pools(host):
            services = {
                name: service
                for name, service in _users(plan, host).items()
                if (mine := _of(service, pool)) and (len(mine) < len(pool) or _shares(host, pool) > 1)
            }
            if len(pool) > 1 and services and not _over_budget(plan, host, pool):
                yield from _elsewhere(plan, host, pool, services)


def _over_budget(plan: Plan, host: LinkedHost, pool: Sequence[LinkedGpu]) -> bool:
    """Whether the cards are too small where they are planned already, which comes first."""
    there = {gpu.index for gpu in pool}
    return any(ledger.free < 0 for ledger in plan.gpus if ledger.host == host.name and ledger.index in there)


def _elsewhere(
    plan: Plan, host: LinkedHost, pool: Sequence[LinkedGpu], services: Mapping[str, PlannedService]
) -> Iterable[Diagnostic]:
    smallest = min(pool, key=lambda gpu: usable(gpu.capacity, gpu.reserve, plan.stack.headroom))
    room = usable(smallest.capacity, smallest.reserve, plan.stack.headroom)
    needs = {name: _most(service, pool) for name, service in services.items()}
    hint = f"{_BY_NAME}; or {_APART}" if smallest.vendor == "nvidia" else _APART
    there = f"GPU {smallest.index} of {host.name} ({smallest.name}, {show_size(room)} usable)"
    for names in _met(needs, plan, _shares(host, pool)):
        if (need := sum(needs[name] for name in names)) > room:
            who = one_of(quoted(names), "and")
            yield error(
                "plan/any-card",
                (*services[names[0]].linked.path, "gpus"),
                f"{who} may get any of the {len(pool)} {_kind(pool)} of {host.name}, which hands them out by number: "
                f"{there} is too small for {show_size(need)}",
                hint,
            )
        elif len({(gpu.model, gpu.capacity, gpu.reserve) for gpu in pool}) > 1:
            yield warning(
                "plan/other-card",
                (*services[names[0]].linked.path, "gpus"),
                f"`{names[0]}` may get any of the {len(pool)} {_kind(pool)} of {host.name}, and they are not alike "
                f"({', '.join(sorted({gpu.name for gpu in pool}))})",
                hint,
            )


def _met(needs: Mapping[str, int], plan: Plan, shares: int) -> Iterable[Sequence[str]]:
    """The services that one card may hold at once: each alone, or of those that share as many as it is offered to."""
    if shares == 1:
        return [[name] for name in sorted(needs)]
    chosen = heaviest_choice(needs, plan.stack.exclusive)
    return [sorted(sorted(chosen, key=lambda name: (-needs[name], name))[:shares])]


def _pools(host: LinkedHost) -> list[list[LinkedGpu]]:
    """Its cards that are handed out by number, by vendor and driver: who asks for one gets any of its like."""
    found: dict[tuple[str, str | None], list[LinkedGpu]] = {}
    for gpu in host.gpus:
        if gpu.vendor in host.scheduled:
            found.setdefault((gpu.vendor, gpu.driver), []).append(gpu)
    return list(found.values())


def _users(plan: Plan, host: LinkedHost) -> dict[str, PlannedService]:
    """The services that hold cards of a host."""
    holders = (s for s in plan.services.values() if not s.demand.watches)
    return {s.linked.name: s for s in holders if any(other.name == host.name for other in s.linked.hosts)}


def _of(service: PlannedService, pool: Sequence[LinkedGpu]) -> list[int]:
    """The indexes of a service's cards in a pool."""
    there = {gpu.index for gpu in pool}
    return [gpu.index for gpu in service.linked.gpus if gpu.index in there]


def _most(service: PlannedService, pool: Sequence[LinkedGpu]) -> int:
    """The most that it takes on one of its cards there, in bytes; 0 when nobody knows."""
    sizes = most_of(service)
    return max((sizes.get(index, 0) for index in _of(service, pool)), default=0)


def _shares(host: LinkedHost, pool: Sequence[LinkedGpu]) -> int:
    """How many pods each card is offered to. Only NVIDIA's plugin is told so by what is rendered."""
    return host.sharing.replicas if host.sharing and pool[0].vendor == "nvidia" else 1


def _kind(pool: Sequence[LinkedGpu]) -> str:
    """What a pool is called among others, such as `nvidia cards` or `intel cards (xe)`."""
    gpu = pool[0]
    return f"{gpu.vendor} cards" + (f" ({gpu.driver})" if gpu.driver else "")
