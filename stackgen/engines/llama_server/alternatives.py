"""Smaller ways to serve one model, cheapest for the user first.

Another quantization is not among them: it is another download, of which nothing is known here. Fewer models
at once is the planner's own advice, since it concerns the whole service.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative
from stackgen.engines.llama_server.effective import Case, beating, case
from stackgen.engines.llama_server.keys import yaml_line
from stackgen.engines.llama_server.options import UseOptions
from stackgen.engines.llama_server.values import Value

LEAST_CONTEXT = 8192
"""Shorter contexts are no use to anybody who asked for more."""
_LONG_CONTEXT = 65536
_DEFAULT_UBATCH = 512
_BY_SIZE = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
"""Cache types, largest first."""


class _Change(NamedTuple):
    """Options to set, and what that costs the user: 1 hardly noticed ... 9 another model."""

    cost: int
    values: dict[str, Value]


def alternatives(service: LinkedService, use: LinkedUse) -> Iterator[Alternative]:
    """Each changes one thing about one model; whether it helps is the planner's to find out."""
    this = case(service, use)
    fixed = beating(this.options)
    for change in (*_batches(this), *_caches(this), *_slots(this), *_contexts(this), *_experts(this)):
        if any(name in fixed for name in change.values):
            continue  # what stands on the router's command line cannot be changed for one model
        text = ", ".join(f"{yaml_line(name, None)}: {_shown(v)}" for name, v in change.values.items())
        yield Alternative(change=text, cost=change.cost, service=_changed(service, use, change.values))


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _changed(service: LinkedService, use: LinkedUse, values: dict[str, Value]) -> LinkedService:
    own: UseOptions = use.options
    smaller = use._replace(options=replace(own, values={**own.values, **values}))
    return replace(service, models=tuple(smaller if u.id == use.id else u for u in service.models))


def _batches(this: Case) -> Iterator[_Change]:
    """Prompts are read a little slower; an embedding must fit into one micro-batch, so there it stays."""
    if this.number("ubatch-size") > _DEFAULT_UBATCH and not _embeds(this):
        yield _Change(1, {"ubatch-size": _DEFAULT_UBATCH})


def _embeds(this: Case) -> bool:
    return any(this.values.get(name) for name in ("embeddings", "reranking", "pooling"))


def _caches(this: Case) -> Iterator[_Change]:
    """Both types alike: anything else is slow or refused somewhere."""
    if this.values["flash-attn"] == "off":
        return
    largest = min(_BY_SIZE.index(str(this.values[name])) for name in ("cache-type-k", "cache-type-v"))
    for cost, smaller in ((2, "q8_0"), (4, "q4_0")):
        if largest < _BY_SIZE.index(smaller):
            yield _Change(cost, {"cache-type-k": smaller, "cache-type-v": smaller})


def _slots(this: Case) -> Iterator[_Change]:
    """Fewer conversations at the same time."""
    slots = this.number("parallel")
    while slots > 1:
        slots //= 2
        shared: dict[str, Value] = {"kv-unified": True} if slots > 1 and this.values["kv-unified"] else {}
        yield _Change(3, {"parallel": slots, **shared})


def _contexts(this: Case) -> Iterator[_Change]:
    """Halves; without a context the model's own is taken, which is often far more than anybody uses."""
    context, cost = this.number("ctx-size") or _LONG_CONTEXT, 4
    while context // 2 >= LEAST_CONTEXT:
        context, cost = context // 2, min(cost + 1, 7)
        yield _Change(cost, {"ctx-size": context})


def _experts(this: Case) -> Iterator[_Change]:
    """Experts in main memory: every token waits for it."""
    if this.values.get("cpu-moe") or not this.devices:
        return
    for blocks in (8, 16, 32):
        if blocks > this.number("n-cpu-moe"):
            yield _Change(7, {"n-cpu-moe": blocks})
    yield _Change(8, {"cpu-moe": True})
