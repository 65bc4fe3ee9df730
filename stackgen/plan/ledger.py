"""The worst case of each GPU: which residents can be there at once, and which choice of them takes most."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from stackgen.domain.footprint import NOTHING
from stackgen.domain.linked import LinkedHost, LinkedService, LinkedStack
from stackgen.domain.plan import GpuLedger, HostLedger, PlannedService, Resident

Loaded = Mapping[str, Sequence[Resident]]
"""Per service, the residents that count on one GPU or on one host."""

MAX_EXACT_CHOICES = 20
"""Services in conflict on one GPU up to which every choice is tried; beyond it an upper bound is used."""


def usable(capacity: int, reserve: int, headroom: int) -> int:
    """What services may take of a GPU, in bytes: capacity less what others take, less the safety margin."""
    return max(0, capacity - reserve - headroom)


def largest(
    residents: Iterable[Resident], limit: int, size: Callable[[Resident], int]
) -> tuple[Resident, ...]:
    """The `limit` residents that take most: a router evicts by count, so any of them can meet."""
    sized = [r for r in residents if size(r) > 0]
    return tuple(sorted(sized, key=lambda r: (-size(r), r.label))[:limit])


def on_gpu(index: int) -> Callable[[Resident], int]:
    """The high bound of a resident on one GPU, in bytes."""
    return lambda resident: resident.gpus.get(index, NOTHING).high


def most_of(service: PlannedService) -> dict[int, int]:
    """The most that one service may take on each of its GPUs, in bytes by index; empty when nobody knows."""
    if service.demand.unknown:
        return {}
    sizes = {gpu.index: on_gpu(gpu.index) for gpu in service.linked.gpus}
    residents, limit = service.demand.residents, service.models_max
    return {index: sum(map(size, largest(residents, limit, size))) for index, size in sizes.items()}


def heaviest_choice(weights: Mapping[str, int], groups: Iterable[frozenset[str]]) -> frozenset[str]:
    """The services that take most together when each exclusive group lets in one of its members at most.

    Exact up to MAX_EXACT_CHOICES services in conflict; beyond, all members of each group's heaviest are
    taken, which can only err on the high side.
    """
    groups = [g & weights.keys() for g in groups]
    rivals = {s: frozenset().union(*(g for g in groups if s in g)) - {s} for s in weights}
    contested = sorted((s for s in weights if rivals[s]), key=lambda s: (-weights[s], s))
    free = frozenset(s for s in weights if not rivals[s])
    if len(contested) > MAX_EXACT_CHOICES:
        return free | {max(g, key=lambda s: (weights[s], s)) for g in groups if g}

    def best(rest: tuple[str, ...]) -> tuple[int, frozenset[str]]:
        if not rest:
            return 0, frozenset()
        first, others = rest[0], rest[1:]
        without = best(others) if any(o in rivals[first] for o in others) else (-1, frozenset())
        weight, chosen = best(tuple(o for o in others if o not in rivals[first]))
        return max((weight + weights[first], chosen | {first}), without, key=lambda c: c[0])

    return free | best(tuple(contested))[1]


def gpu_ledgers(
    stack: LinkedStack, loaded: Mapping[str, Sequence[Resident]], limits: Mapping[str, int]
) -> tuple[GpuLedger, ...]:
    """One ledger for every GPU of the stack; `loaded` are all residents that may be there, per service."""
    here = by_host(stack, loaded)
    return tuple(
        ledger
        for host in stack.hosts.values()
        for ledger in _host_gpus(stack, host, {s.name: loaded[s.name] for s in here[host.name]}, limits)
    )


def by_host(stack: LinkedStack, names: Iterable[str]) -> dict[str, list[LinkedService]]:
    """The services that hold a part of themselves on each host, of those that are named."""
    found: dict[str, list[LinkedService]] = {name: [] for name in stack.hosts}
    for service in map(stack.services.__getitem__, names):
        for host in service.hosts:
            if host.name in found:
                found[host.name].append(service)
    return found


def _host_gpus(
    stack: LinkedStack, host: LinkedHost, loaded: Loaded, limits: Mapping[str, int]
) -> Iterable[GpuLedger]:
    for gpu in host.gpus:
        size = on_gpu(gpu.index)
        here = {s: largest(residents, limits[s], size) for s, residents in loaded.items()}
        weights = {s: sum(map(size, residents)) for s, residents in here.items() if residents}
        chosen = heaviest_choice(weights, stack.exclusive)
        yield GpuLedger(
            host=host.name,
            index=gpu.index,
            model=gpu.model,
            capacity=gpu.capacity,
            usable=usable(gpu.capacity, gpu.reserve, stack.headroom),
            residents=tuple((r, r.gpus[gpu.index]) for s in here if s in chosen for r in here[s]),
        )


def host_ledgers(
    stack: LinkedStack, loaded: Mapping[str, Sequence[Resident]], limits: Mapping[str, int]
) -> tuple[HostLedger, ...]:
    """Main memory per host: what the residents keep there, or what services declare with `ram` if that is more."""

    def high(resident: Resident) -> int:
        return resident.host.high

    def most(service: LinkedService) -> int:
        return max(
            sum(map(high, largest(loaded[service.name], limits[service.name], high))), service.ram.most
        )

    here = by_host(stack, loaded)

    def ledger(host: LinkedHost) -> HostLedger:
        mine = here[host.name]
        return HostLedger(
            host=host.name,
            ram=host.ram,
            ram_high=sum(up_at_once(mine, most, stack.exclusive).values()),
            ram_requests=sum(requested(host, mine, "ram", stack.exclusive).values()),
            cpus=host.cpus,
            cpu_requests=sum(requested(host, mine, "cpu", stack.exclusive).values()),
        )

    return tuple(map(ledger, stack.hosts.values()))


def requested(
    host: LinkedHost,
    services: Iterable[LinkedService],
    what: Literal["cpu", "ram"],
    groups: Iterable[frozenset[str]],
) -> dict[str, int]:
    """What each of its services asks a host for that ask for most together: thousandths of a CPU, or bytes.

    Nothing where the platform hands nothing out by request.
    """
    if what not in host.scheduled:
        return {}
    return up_at_once(services, lambda s: s.cpus.asked if what == "cpu" else s.ram.asked, groups)


def up_at_once(
    services: Iterable[LinkedService], size: Callable[[LinkedService], int], groups: Iterable[frozenset[str]]
) -> dict[str, int]:
    """What each of the services takes that take most together, of those that take anything."""
    weights = {service.name: weight for service in services if (weight := size(service))}
    chosen = heaviest_choice(weights, groups)
    return {name: weight for name, weight in weights.items() if name in chosen}
