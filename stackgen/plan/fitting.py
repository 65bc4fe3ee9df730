"""Which quantization, cache type and context of a model fit beside everything else, the best first."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from stackgen.domain.fit import Fit, Fits
from stackgen.domain.plan import KnownModel, PlannedService
from stackgen.plan.trial import Trial
from stackgen.plan.ways import SHARES, Made, Step, Way, knobs, made, mildest

DEFAULT_CONTEXT: Final = 32768
"""What is wanted when nobody says."""
MOST_ROWS: Final = 8
_CACHES: Final = ("f16", "q8_0")
_FULL: Final = 2
"""Quantizations that fit with the whole trained context; smaller ones are of no more use."""
_OFFLOADED: Final = 2
"""Quantizations that are tried with experts in main memory, for those too large for the GPUs alone."""
_UNQUANTIZED: Final = frozenset({"BF16", "F16", "F32"})
"""Nobody reads their experts from main memory: the next smaller ones answer as well and twice as fast."""


class Question(NamedTuple):
    """One model of a service, planned at its largest: f16 cache, trained context; and what it may be replaced by."""

    trial: Trial
    service: str
    use: str
    quantizations: Sequence[KnownModel]
    context: int | None = None


def answer(question: Question, planned: PlannedService) -> Fits:
    """What fits; `planned` is the service."""
    label = f"{question.service}/{question.use}"
    linked = planned.linked
    model = next(u.model.name for u in linked.models if u.id == question.use)
    known = question.trial.known[model]
    trained = known.facts.context_length if known.facts else 0
    wanted = min(question.context or DEFAULT_CONTEXT, trained) if trained else DEFAULT_CONTEXT
    rows = list(_rows(question, model, wanted, trained))
    tried = [m.facts.weight_bytes for m in question.quantizations if m.facts]
    others = dict.fromkeys(
        resident.label
        for ledger in question.trial.ledgers()
        for resident, _ in ledger.residents
        if resident.label != label and ledger.index in {gpu.index for gpu in linked.gpus}
    )
    return Fits(
        service=question.service,
        use=question.use,
        model=model,
        host=linked.host.name,
        gpus=tuple(gpu.name for gpu in linked.gpus),
        context=wanted,
        trained=trained,
        rows=_best(rows, wanted),
        smallest=None if rows else min(tried, default=None),
        others=tuple(others),
    )


def _best(rows: Sequence[Fit], wanted: int) -> tuple[Fit, ...]:
    """In their order, without what is too short where the same weights have a longer context, and not too many."""
    longest = {row.quantization: max(r.context for r in rows if r.weights == row.weights) for row in rows}
    kept = [row for row in rows if row.context >= min(wanted, longest[row.quantization])]
    return tuple(sorted(kept, key=lambda row: _rank(row, wanted))[:MOST_ROWS])


def _rank(row: Fit, wanted: int) -> tuple[bool, int, int, int, int]:
    """Enough context first; of those all on the GPUs first, then the larger weights, then the finer cache."""
    enough = row.context >= wanted
    weights = -row.weights if enough else 0
    return (
        not enough,
        row.experts_on_host,
        weights,
        _CACHES.index(row.cache_type) if enough else -row.context,
        -row.context,
    )


def _rows(question: Question, model: str, wanted: int, trained: int) -> Iterator[Fit]:
    full = offloaded = 0
    room = sum(ledger.usable for ledger in question.trial.ledgers())
    for known in question.quantizations:
        weights = known.facts.weight_bytes if known.facts else 0
        trial = question.trial.with_model(model, known)
        if trial is None:
            continue
        found = list(_on_gpus(question, trial, known, wanted)) if weights <= room else []
        yield from found
        full += any(row.context >= trained for row in found)
        if full == _FULL:
            return
        if offloaded == _OFFLOADED or known.request.quant in _UNQUANTIZED:
            continue
        if all(row.context < wanted for row in found) and (
            row := _with_experts(question, trial, known, wanted)
        ):
            offloaded += 1
            yield row


def _on_gpus(question: Question, trial: Trial, known: KnownModel, wanted: int) -> Iterator[Fit]:
    """The longest context under each cache type; a coarser cache only where it makes the context longer."""
    turns = knobs(trial, question.service, question.use)
    contexts = turns.get("context", [])
    longest = 0
    for cache in _CACHES:
        base = _cache(turns, cache)
        if base is None:
            continue
        way = _longest(trial, base, contexts)
        if way is None or _context(way, known) < wanted:
            way = max(
                (way, *(_longest(trial, dealt, contexts) for dealt in _dealt(trial, base, turns, wanted))),
                key=lambda w: _context(w, known),
            )
        if way is not None and _context(way, known) > longest and (changed := made(trial, way)):
            longest = _context(way, known)
            yield _fit(question, changed, known, cache)
        if way == base:
            return


def _longest(trial: Trial, base: Way, contexts: Sequence[Step]) -> Way | None:
    now = made(trial, base)
    return base if now is not None and now.trial.fits() else mildest(trial, base, contexts)


def _context(way: Way | None, known: KnownModel) -> int:
    """Tokens; without a change they are what was trained."""
    if way is None or known.facts is None:
        return 0
    return next((int(step.setting) for step in way if step.knob == "context"), known.facts.context_length)


def _dealt(trial: Trial, base: Way, turns: dict[str, list[Step]], wanted: int) -> Iterator[Way]:
    """Shares of several GPUs with which the wanted context leaves the smallest shortage, when that can help."""
    short = tuple(step for step in turns.get("context", ()) if int(step.setting) >= wanted)[-1:]
    now = made(trial, (*base, *short))
    if now is None or sum(ledger.free for ledger in now.trial.ledgers()) < 0:
        return
    shares = [step for knob, steps in turns.items() if knob.startswith(SHARES) for step in steps]
    tried = [(m.trial.lacks(), i) for i, s in enumerate(shares) if (m := made(trial, (*base, s, *short)))]
    if tried:
        yield (*base, shares[min(tried)[1]])


def _with_experts(question: Question, trial: Trial, known: KnownModel, wanted: int) -> Fit | None:
    """The fewest experts in main memory with which the wanted context fits, with a q8_0 cache."""
    turns = knobs(trial, question.service, question.use)
    cache = _cache(turns, _CACHES[-1])
    contexts = [step for step in turns.get("context", ()) if int(step.setting) >= wanted]
    if cache is None or "experts" not in turns:
        return None
    way = mildest(trial, (*cache, *contexts[-1:]), turns["experts"])
    if way is None or (changed := made(trial, way)) is None:
        return None
    return _fit(question, changed, known, _CACHES[-1], way)


def _cache(turns: dict[str, list[Step]], cache: str) -> Way | None:
    if cache == _CACHES[0]:
        return ()
    return next(((step,) for step in turns.get("cache", ()) if step.setting == cache), None)


def _fit(question: Question, changed: Made, known: KnownModel, cache: str, way: Way = ()) -> Fit:
    trial = changed.trial
    linked = trial.stack.services[question.service]
    mine = {gpu.index for gpu in linked.gpus}
    resident = next(r for r in trial.demands[question.service].residents if r.use == question.use)
    facts = known.facts
    context = next(
        (int(c.removeprefix("context: ")) for c in changed.changes if c.startswith("context: ")), 0
    )
    return Fit(
        quantization=known.request.quant,
        weights=facts.weight_bytes if facts else 0,
        basis=known.basis,
        cache_type=cache,
        context=context or (facts.context_length if facts else 0),
        experts_on_host=next((int(step.setting) for step in way if step.knob == "experts"), 0),
        settings=changed.changes,
        left=tuple(ledger.free for ledger in trial.ledgers() if ledger.index in mine),
        ram=resident.host.high,
    )
