"""Ways to make residents fit: the mildest setting of each knob that is enough, alone or on top of cheap ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from stackgen.domain.plan import Alternative, KnownModel, Limit
from stackgen.plan.trial import Trial

CHEAP: Final = 3
"""Up to this cost a change is made on the way to a larger one."""
ENOUGH_CONTEXT: Final = 16384
"""What a conversation needs at least; shorter only when nothing else is asked of anybody."""
SHARES: Final = "split"
"""How the name of a knob begins that moves layers from one GPU to others."""
_FEW: Final = 5
"""Settings of a knob that are tried one by one; of more of them the mildest is found by halving."""


class Made(NamedTuple):
    """A trial in which changes were made, and what to write for them."""

    trial: Trial
    changes: tuple[str, ...] = ()


class Step(NamedTuple):
    """One change: where to write it, what it costs, and how it is made. None when it cannot be made."""

    at: str
    knob: str
    setting: str
    cost: int
    price: str
    make: Callable[[Made], Made | None]


Way = tuple[Step, ...]


def rank(way: Way) -> tuple[int, int, int, tuple[str, ...]]:
    """What is cheaper comes first: the dearest change counts, then all of them."""
    costs = [step.cost for step in way]
    return max(costs), sum(costs), len(costs), tuple(step.setting for step in way)


def made(trial: Trial, way: Iterable[Step]) -> Made | None:
    """The trial with these changes, one after the other."""
    now: Made | None = Made(trial)
    for step in way:
        now = step.make(now) if now else None
    return now


def ways(trial: Trial) -> list[Way]:
    """Every way that is enough for all residents of a trial, the cheapest first."""
    found = [*_fewer_at_once(trial), *_turns(trial)]
    for name in trial.demands:
        for use in trial.stack.services[name].models:
            if trial.without([f"{name}/{use.id}"]).fits():
                found += _for_use(trial, knobs(trial, name, use.id))
    return sorted(dict.fromkeys(found), key=rank)


def knobs(trial: Trial, service: str, use: str) -> dict[str, list[Step]]:
    """What can be turned for one model: the engine's options, and the weights themselves."""
    found: dict[str, list[Step]] = {}
    for a in _alternatives(trial, service, use):
        knob, setting = a.knob or a.change, a.setting or a.change
        make = partial(_turn, service, use, knob, setting)
        found.setdefault(knob, []).append(Step(f"{service}/{use}", knob, setting, a.cost, a.price, make))
    name = next(u for u in trial.stack.services[service].models if u.id == use).model.name
    if smaller := list(_weights(trial, name)):
        found["weights"] = smaller
    return found


def _alternatives(trial: Trial, service: str, use: str) -> Iterable[Alternative]:
    linked = trial.stack.services[service]
    this = next(u for u in linked.models if u.id == use)
    return trial.engines[linked.engine].alternatives(linked, this, trial.known)


def _turn(service: str, use: str, knob: str, setting: str, now: Made) -> Made | None:
    for a in _alternatives(now.trial, service, use):
        if (a.knob or a.change, a.setting or a.change) == (knob, setting):
            changed = now.trial.with_service(a.service)
            return Made(changed, (*now.changes, a.change)) if changed else None
    return None


def _weights(trial: Trial, name: str) -> Iterator[Step]:
    """Smaller weights, of which each is another download."""
    price = "another download, and answers a little worse"
    for model in trial.quantizations(trial.stack.models[name]):
        quant, branch = model.request.quant, model.request.revision
        text = f"hf: {model.request.repo}:{quant}" if quant else f"revision: {branch}"
        yield Step(f"models.{name}", "weights", text, 8, price, partial(_exchange, name, model, text))


def _exchange(name: str, model: KnownModel, text: str, now: Made) -> Made | None:
    changed = now.trial.with_model(name, model)
    return Made(changed, (*now.changes, text)) if changed else None


def _for_use(trial: Trial, turns: dict[str, list[Step]]) -> Iterator[Way]:
    cheap = _cheap(trial, turns)
    found = [*_on_top_of((), trial, turns), *(_on_top_of(cheap, trial, turns) if cheap else ())]
    if not found:
        found = list(_with_short_context(cheap, trial, turns))
    for way in found:
        yield pruned(trial, way)


def _on_top_of(base: Way, trial: Trial, turns: dict[str, list[Step]]) -> Iterator[Way]:
    if base and _enough(trial, base):
        yield base
    changed = made(trial, base)
    for ladder in _promising(changed.trial, turns) if changed else ():
        if way := mildest(trial, base, ladder):
            yield way


def _promising(trial: Trial, turns: dict[str, list[Step]]) -> Iterator[list[Step]]:
    """Other shares of several GPUs are enough only when all of them together have room."""
    room = sum(ledger.free for ledger in trial.ledgers()) >= 0
    return (ladder for knob, ladder in turns.items() if room or not knob.startswith(SHARES))


def _with_short_context(base: Way, trial: Trial, turns: dict[str, list[Step]]) -> Iterator[Way]:
    """When nothing else is enough: the context that a strong change leaves room for."""
    contexts = turns.get("context", [])
    short = tuple(step for step in contexts if step.setting == str(ENOUGH_CONTEXT))
    for knob, ladder in turns.items() if short else ():
        if knob != "context" and (way := mildest(trial, (*base, *short), ladder)):
            others = tuple(step for step in way if step.knob != "context")
            yield mildest(trial, others, contexts) or way


def _cheap(trial: Trial, turns: dict[str, list[Step]]) -> Way:
    """Of each cheap knob the setting that leaves the smallest shortage, when it helps at all."""
    way: Way = ()
    lacks = trial.lacks()
    for ladder in _promising(trial, turns):
        tried = [
            (changed.trial.lacks(), index, step)
            for index, step in enumerate(s for s in ladder if s.cost <= CHEAP)
            if (changed := made(trial, (*way, step)))
        ]
        best = min(tried, key=lambda t: t[:2], default=None)
        if best and best[0] < lacks:
            lacks, way = best[0], (*way, best[2])
    return way


def mildest(trial: Trial, base: Way, ladder: Sequence[Step]) -> Way | None:
    """The first setting of a knob that is enough on top of `base`."""
    if len(ladder) <= _FEW:
        return next((w for step in ladder if _enough(trial, w := (*base, step))), None)
    # What leaves a GPU may go to main memory: going further helps the one and not the other.
    if not _gpus_fit(trial, (*base, ladder[-1])):
        return None
    low, high = 0, len(ladder) - 1
    while low < high:
        middle = (low + high) // 2
        if _gpus_fit(trial, (*base, ladder[middle])):
            high = middle
        else:
            low = middle + 1
    way = (*base, ladder[high])
    return way if _enough(trial, way) else None


def pruned(trial: Trial, way: Way) -> Way:
    """Without the changes that it does not need, the dearest first."""
    for step in sorted(way, key=lambda s: -s.cost):
        rest = tuple(s for s in way if s is not step)
        if rest and _enough(trial, rest):
            way = rest
    return way


def _enough(trial: Trial, way: Way) -> bool:
    changed = made(trial, way)
    return changed is not None and changed.trial.fits()


def _gpus_fit(trial: Trial, way: Way) -> bool:
    changed = made(trial, way)
    return changed is not None and all(ledger.free >= 0 for ledger in changed.trial.ledgers())


def _fewer_at_once(trial: Trial) -> Iterator[Way]:
    for name, demand in trial.demands.items():
        if demand.limit is Limit.ALL:
            continue
        price = "models wait for one another to load"
        ladder = [
            Step(name, "limit", str(count), 7, price, partial(_limit, name, count))
            for count in range(min(trial.limits[name], len(demand.residents)) - 1, 0, -1)
        ]
        if way := mildest(trial, (), ladder):
            yield way


def _limit(name: str, count: int, now: Made) -> Made:
    option = now.trial.demands[name].limit_option
    return Made(now.trial.with_limit(name, count), (*now.changes, f"{option}: {count}"))


def _turns(trial: Trial) -> Iterator[Way]:
    """An exclusive group of the services that weigh most, as few of them as it takes."""
    worst = min(trial.ledgers(), key=lambda ledger: ledger.free)
    weights: dict[str, int] = {}
    for resident, memory in worst.residents:
        weights[resident.service] = weights.get(resident.service, 0) + memory.high
    heaviest = sorted(weights, key=lambda name: (-weights[name], name))
    for count in range(2, len(heaviest) + 1):
        group = tuple(sorted(heaviest[:count]))
        step = Step("", "turns", str(group), 7, "one of them runs at a time", partial(_take_turns, group))
        if _enough(trial, (step,)):
            yield (step,)
            return


def _take_turns(group: tuple[str, ...], now: Made) -> Made:
    return Made(now.trial.with_group(group), (*now.changes, f"exclusive: [[{', '.join(group)}]]"))
