"""Smaller ways to serve one model: each knob from its mildest setting on. Cache and slots are all models' alike."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, KnownModel
from stackgen.engines.ollama.effective import case

LEAST_CONTEXT: Final = 4096
"""What Ollama itself gives a model on a small card."""
_LONG_CONTEXT: Final = 131072
_LEAST_BATCH: Final = 256
_TYPES: Final = ("f16", "q8_0", "q4_0")
_PRICES: Final = {
    "q8_0": (1, "a cache hardly less exact"),
    "q4_0": (5, "a coarse cache, so answers may get worse"),
}


def alternatives(
    service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
) -> Iterator[Alternative]:
    """Each changes one thing; whether it helps is the planner's to find out."""
    this = case(service, use, known.get(use.model.name))
    if this.options.flash_attention is not False:
        for kind in _TYPES[_TYPES.index(this.options.kv_cache_type) + 1 :]:
            cost, price = _PRICES[kind]
            yield _of_service(service, "cache", cost, price, kv_cache_type=kind)
    if not this.embeds:
        size = this.num_batch
        while size // 2 >= _LEAST_BATCH:
            size //= 2
            cost = 2 if size >= 512 else 4
            yield _of_model(service, use, "batch", cost, "prompts are read more slowly", num_batch=size)
    slots = this.num_parallel
    while slots > 1:
        slots //= 2
        yield _of_service(service, "slots", 3, f"{slots} at a time, others wait", num_parallel=slots)
    context = this.num_ctx
    while context // 2 >= LEAST_CONTEXT:
        context //= 2
        cost = 4 if context >= _LONG_CONTEXT else 6
        yield _of_model(service, use, "context", cost, f"{context} tokens of context", num_ctx=context)


def _of_model(
    service: LinkedService, use: LinkedUse, knob: str, cost: int, price: str, **values: int
) -> Alternative:
    smaller = use._replace(options=use.options.model_copy(update=values))
    models = tuple(smaller if u.id == use.id else u for u in service.models)
    ((name, value),) = values.items()
    return Alternative(
        change=f"{name}: {value}",
        cost=cost,
        service=replace(service, models=models),
        knob=knob,
        setting=str(value),
        price=price,
    )


def _of_service(service: LinkedService, knob: str, cost: int, price: str, **values: str | int) -> Alternative:
    ((name, value),) = values.items()
    return Alternative(
        change=f"options: {{{name}: {value}}}",
        cost=cost,
        service=replace(service, options=service.options.model_copy(update=values)),
        knob=knob,
        setting=str(value),
        price=price,
    )
