"""Smaller ways to serve one model: each knob from its mildest setting on."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from stackgen.domain.facts import ModelFacts
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, KnownModel
from stackgen.engines.tabbyapi.demand import params_of
from stackgen.engines.tabbyapi.effective import Case, case, facts_of
from stackgen.engines.tabbyapi.keys import PAGE, ModelKeys
from stackgen.engines.tabbyapi.options import Options
from stackgen.memory.exllama.cache import bits, has_state, slots_of

LEAST_CONTEXT: Final = 4096
"""Shorter conversations are no use to anybody who asked for more."""
_LONG_CONTEXT: Final = 65536
LEAST_CHUNK: Final = 512


class _Change(NamedTuple):
    """Keys to set, and what that costs the user: 1 hardly noticed ... 9 another model."""

    knob: str
    cost: int
    price: str
    values: dict[str, Any]


def alternatives(
    service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
) -> Iterator[Alternative]:
    """Each changes one thing about one model; whether it helps is the planner's to find out."""
    this = case(service, use)
    facts = facts_of(this, known)
    if facts is None or facts.format == "gguf":
        return  # what is declared does not change
    for knob in (_caches, _chunks, _slots, _contexts, _experts):
        for change in knob(this, facts):
            yield Alternative(
                change=", ".join(f"{name}: {value}" for name, value in change.values.items()),
                cost=change.cost,
                service=_changed(service, use, change.values),
                knob=change.knob,
                setting=str(next(iter(change.values.values()))),
                price=change.price,
            )


def _changed(service: LinkedService, use: LinkedUse, values: dict[str, Any]) -> LinkedService:
    own: ModelKeys = use.options.keys
    smaller = use._replace(options=Options(keys=own.model_copy(update=values)))
    return replace(service, models=tuple(smaller if u.id == use.id else u for u in service.models))


def _caches(this: Case, facts: ModelFacts) -> Iterator[_Change]:
    """Modes that both backends have."""
    stored = bits(this.cache_mode)
    width = sum(stored) if stored else 32
    for cost, mode, both, price in (
        (1, "Q8", 16, "a cache hardly less exact"),
        (3, "Q6", 12, "a less exact cache"),
        (5, "Q4", 8, "a coarse cache, so answers may get worse"),
    ):
        if width > both:
            yield _Change("cache", cost, price, {"cache_mode": mode})


def _chunks(this: Case, facts: ModelFacts) -> Iterator[_Change]:
    """Prompts are read a little slower."""
    size = this.chunk_size
    while size // 2 >= LEAST_CHUNK:
        size //= 2
        yield _Change("chunk", 2, "prompts are read slower", {"chunk_size": size})


def _slots(this: Case, facts: ModelFacts) -> Iterator[_Change]:
    """Less state for models that keep one for each conversation."""
    params = params_of(this, facts)
    slots = slots_of(facts, params) if has_state(facts, params) else 1
    while slots > 1:
        slots //= 2
        yield _Change("slots", 3, "fewer conversations at a time", {"max_batch_size": slots})


def _contexts(this: Case, facts: ModelFacts) -> Iterator[_Change]:
    """Halves; without a length the model's own is taken, which is often far more than anybody uses."""
    size, cost = this.cache_size(facts), 3
    if this.keys.cache_size is None and this.keys.max_seq_len is None:
        size = min(size, 2 * _LONG_CONTEXT)
    while size // 2 >= LEAST_CONTEXT:
        size, cost = size // 2 // PAGE * PAGE, min(cost + 1, 7)
        values = {"max_seq_len": min(size, this.max_seq_len(facts))}
        if this.keys.cache_size is not None:
            values["cache_size"] = size
        yield _Change("context", cost, "shorter conversations", values)


def _experts(this: Case, facts: ModelFacts) -> Iterator[_Change]:
    """Experts in main memory: every token waits for it."""
    if this.keys.tensor_parallel or not any("_exps" in w.name for x in facts.layers for w in x.weights):
        return
    for layers in (8, 16, 32, 999):
        if layers > (this.keys.cpu_moe_offload_layers or 0):
            yield _Change("experts", 8, "much slower answers", {"cpu_moe_offload_layers": layers})
