"""Smaller ways to serve one model, cheapest for the user first; whether they help is the planner's to find out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative
from stackgen.engines.ollama.effective import case

LEAST_CONTEXT: Final = 4096
"""What Ollama itself gives a model on a small card."""
_LONG_CONTEXT: Final = 65536
_LEAST_BATCH: Final = 256
_SMALLER_TYPES: Final = {"f16": ("q8_0", "q4_0"), "q8_0": ("q4_0",)}


def alternatives(service: LinkedService, use: LinkedUse) -> Iterator[Alternative]:
    """Each changes one thing, the last two of them for all models of the service."""
    this = case(service, use)
    if this.num_batch > _LEAST_BATCH and this.own.num_batch != _LEAST_BATCH:
        yield _of_model(service, use, 2, num_batch=_LEAST_BATCH)
    context = this.num_ctx // 2
    while context >= LEAST_CONTEXT:
        yield _of_model(service, use, 4 if context >= _LONG_CONTEXT else 6, num_ctx=context)
        context //= 2
    if this.options.num_parallel > 1:
        yield _of_service(service, 3, num_parallel=1)
    if this.options.flash_attention is not False:
        for kind in _SMALLER_TYPES.get(this.options.kv_cache_type, ()):
            yield _of_service(service, 3 if kind == "q8_0" else 5, kv_cache_type=kind)


def _of_model(service: LinkedService, use: LinkedUse, cost: int, **values: int) -> Alternative:
    smaller = use._replace(options=use.options.model_copy(update=values))
    models = tuple(smaller if u.id == use.id else u for u in service.models)
    return Alternative(change=_shown(values), cost=cost, service=replace(service, models=models))


def _of_service(service: LinkedService, cost: int, **values: Any) -> Alternative:
    options = service.options.model_copy(update=values)
    return Alternative(change=_shown(values), cost=cost, service=replace(service, options=options))


def _shown(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in values.items())
