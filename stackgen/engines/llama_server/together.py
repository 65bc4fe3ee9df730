"""Which models of a service may be loaded together: the plan's proof, model by model rather than as one number."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from stackgen.domain.footprint import NOTHING
from stackgen.domain.plan import Plan, PlannedService, Resident
from stackgen.engines.llama_server.options import ServiceOptions

MAX_EXACT: Final = 12
"""Models up to which every combination is tried; beyond, any so many of them as are sure to fit."""


class Room(NamedTuple):
    """What a service may take, in bytes: on each of its GPUs by index, and of main memory (None = not told)."""

    gpus: Mapping[int, int]
    host: int | None


def room(planned: PlannedService, plan: Plan) -> Room:
    """What is left by the services that may run beside it, each at its worst.

    The plan's ledgers count `models_max` of its models. It gets what is free beyond that, too, unless another
    service of its kind on the same host would take the same for itself.
    """
    service = planned.linked
    rivals = {name for group in plan.stack.exclusive if service.name in group for name in group}
    others = [
        other
        for name, other in plan.services.items()
        if name not in rivals and name != service.name and other.linked.host.name == service.host.name
    ]
    if any(_takes_what_is_free(other) for other in others):
        return Room(
            {gpu.index: _worst(planned, _on(gpu.index)) for gpu in service.gpus}, _worst(planned, _in_main)
        )
    ledgers = {ledger.index: ledger for ledger in plan.gpus if ledger.host == service.host.name}
    ram = {ledger.host: ledger.ram for ledger in plan.hosts}.get(service.host.name)
    declared = sum(o.linked.ram.most for o in (planned, *others))
    return Room(
        gpus={
            gpu.index: ledgers[gpu.index].usable - sum(_worst(o, _on(gpu.index)) for o in others)
            for gpu in service.gpus
            if gpu.index in ledgers
        },
        host=None if ram is None else ram - declared - sum(_worst(o, _in_main) for o in others),
    )


def _takes_what_is_free(other: PlannedService) -> bool:
    options = other.linked.options
    return isinstance(options, ServiceOptions) and options.router == "llama-swap"


def _in_main(resident: Resident) -> int:
    return resident.host.high


def _on(index: int) -> Callable[[Resident], int]:
    return lambda resident: resident.gpus.get(index, NOTHING).high


def _worst(planned: PlannedService, size: Callable[[Resident], int]) -> int:
    """The most that as many models take as the plan counts."""
    return sum(sorted(map(size, planned.demand.residents), reverse=True)[: planned.models_max])


def sets(planned: PlannedService, plan: Plan, limit: int | None = None) -> tuple[tuple[str, ...], ...]:
    """The largest sets of models that fit together, each model in at least one; empty beyond MAX_EXACT.

    `limit` is how many may be loaded at once, whatever fits.
    """
    residents = [r for r in planned.demand.residents if r.use is not None]
    if len(residents) > MAX_EXACT:
        return ()
    space = room(planned, plan)
    found: list[frozenset[str]] = []
    for chosen in _largest_first(residents, limit):
        names = frozenset(r.use or "" for r in chosen)
        if not any(names <= larger for larger in found) and (len(chosen) == 1 or fit(chosen, space)):
            found.append(names)
    order = [r.use or "" for r in residents]
    return tuple(tuple(sorted(names, key=order.index)) for names in found)


def _largest_first(residents: Sequence[Resident], limit: int | None) -> Iterator[tuple[Resident, ...]]:
    for size in range(min(len(residents), limit or len(residents)), 0, -1):
        yield from combinations(residents, size)


def fit(residents: Sequence[Resident], space: Room) -> bool:
    """Whether these fit at once, by their high bounds."""
    on_gpus = all(sum(map(_on(index), residents)) <= size for index, size in space.gpus.items())
    return on_gpus and (space.host is None or sum(map(_in_main, residents)) <= space.host)
