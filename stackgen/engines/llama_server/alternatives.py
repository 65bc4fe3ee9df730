"""Smaller ways to serve one model: each knob from its mildest setting on.

Another quantization is not among them: it is another model, which is the planner's to find. So are fewer models
at once, for they concern the whole service.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from stackgen.domain.facts import ModelFacts
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, KnownModel
from stackgen.engines.llama_server.effective import Case, beating, case
from stackgen.engines.llama_server.keys import yaml_line
from stackgen.engines.llama_server.options import UseOptions
from stackgen.engines.llama_server.shares import beside_experts
from stackgen.engines.llama_server.values import Value
from stackgen.memory.served import usable

LEAST_CONTEXT = 8192
"""Shorter contexts are no use to anybody who asked for more."""
_LONG_CONTEXT = 131072
_LEAST_UBATCH = 256
_BY_SIZE = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
"""Cache types, largest first."""


class _Change(NamedTuple):
    """Options to set, and what that costs the user: 1 hardly noticed ... 9 another model."""

    knob: str
    setting: Value
    cost: int
    price: str
    values: dict[str, Value]


def alternatives(
    service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
) -> Iterator[Alternative]:
    """Each changes one thing about one model; whether it helps is the planner's to find out."""
    this = case(service, use)
    model = known.get(use.model.name)
    facts = model.facts if model else None
    fixed = beating(this.options)
    knobs = (_splits, _caches, _batches, _slots, _contexts, _experts, _layers)
    for change in (change for knob in knobs for change in knob(this, facts)):
        if any(name in fixed for name in change.values):
            continue  # what stands on the router's command line cannot be changed for one model
        text = ", ".join(f"{yaml_line(name, None)}: {_shown(v)}" for name, v in change.values.items())
        yield Alternative(
            change=text,
            cost=change.cost,
            service=_changed(service, use, change.values),
            knob=change.knob,
            setting=str(change.setting),
            price=change.price,
        )


def _shown(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _changed(service: LinkedService, use: LinkedUse, values: dict[str, Value]) -> LinkedService:
    own: UseOptions = use.options
    smaller = use._replace(options=replace(own, values={**own.values, **values}))
    return replace(service, models=tuple(smaller if u.id == use.id else u for u in service.models))


def _splits(this: Case, facts: ModelFacts | None) -> Iterator[_Change]:
    """Fewer layers on one of several GPUs, more on the others; nothing gets slower for it."""
    sizes = [usable(gpu) for gpu in this.devices]
    if len(sizes) < 2 or this.given("tensor-split") or this.values.get("split-mode", "layer") != "layer":
        return
    whole = sum(sizes)
    for at, size in enumerate(sizes):
        for points in (2, 4, 8, 16, 32):
            if points * whole < 100 * size:
                moved = points * whole / 100
                grown = [s + moved * s / (whole - size) for s in sizes]
                shares = tuple(
                    round(100 * (size - moved if i == at else g) / whole) for i, g in enumerate(grown)
                )
                yield _Change(f"split-{at}", points, 1, "costs nothing", {"tensor-split": shares})


def _caches(this: Case, facts: ModelFacts | None) -> Iterator[_Change]:
    """Both types alike: anything else is slow or refused somewhere."""
    if this.values["flash-attn"] == "off":
        return
    largest = min(_BY_SIZE.index(str(this.values[name])) for name in ("cache-type-k", "cache-type-v"))
    for cost, smaller, price in (
        (1, "q8_0", "a cache hardly less exact"),
        (5, "q4_0", "a coarse cache, so answers may get worse"),
    ):
        if largest < _BY_SIZE.index(smaller):
            yield _Change("cache", smaller, cost, price, {"cache-type-k": smaller, "cache-type-v": smaller})


def _batches(this: Case, facts: ModelFacts | None) -> Iterator[_Change]:
    """Prompts are read slower; an embedding must fit into one micro-batch, so there it stays."""
    if _embeds(this):
        return
    size = this.number("ubatch-size")
    while size // 2 >= _LEAST_UBATCH:
        size //= 2
        yield _Change(
            "batch", size, 2 if size >= 512 else 4, "prompts are read more slowly", {"ubatch-size": size}
        )


def _embeds(this: Case) -> bool:
    return any(this.values.get(name) for name in ("embeddings", "reranking", "pooling"))


def _slots(this: Case, facts: ModelFacts | None) -> Iterator[_Change]:
    """Fewer conversations at the same time."""
    slots = this.number("parallel")
    while slots > 1:
        slots //= 2
        shared: dict[str, Value] = {"kv-unified": True} if slots > 1 and this.values["kv-unified"] else {}
        yield _Change("slots", slots, 3, f"{slots} at a time, others wait", {"parallel": slots, **shared})


def _contexts(this: Case, facts: ModelFacts | None) -> Iterator[_Change]:
    """Down in halves and three quarters; without a context the model's own is taken, often far more than is used."""
    trained = facts.context_length if facts else 0
    context = this.number("ctx-size") or trained or _LONG_CONTEXT
    least = min(LEAST_CONTEXT, context // 2)
    size = 1 << context.bit_length()
    while size >= least:
        for step in (size, size * 3 // 4):
            if least <= step < context and (not trained or step <= trained):
                cost = 4 if 2 * step >= context else 5 if 4 * step >= context else 6
                price = f"shorter conversations, of {step} in place of {context} tokens"
                yield _Change("context", step, cost, price, {"ctx-size": step})
        size //= 2


def _experts(this: Case, facts: ModelFacts | None) -> Iterator[_Change]:
    """Experts in main memory: every token waits for it."""
    if (
        facts is None
        or not facts.number("expert_used_count")
        or this.values.get("cpu-moe")
        or not this.devices
    ):
        return
    for blocks in range(this.number("n-cpu-moe") + 1, facts.n_trunk + 1):
        price = f"slower answers: experts of {blocks} of {facts.n_trunk} blocks in main memory"
        values: dict[str, Value] = {"n-cpu-moe": blocks}
        if (
            len(this.devices) > 1
            and not this.given("tensor-split")
            and this.values.get("split-mode", "layer") == "layer"
        ):
            # The first blocks get light, and they are all on the first GPU.
            values["tensor-split"] = beside_experts(this, facts, blocks)
        yield _Change("experts", blocks, 6 if 4 * blocks <= facts.n_trunk else 7, price, values)


def _layers(this: Case, facts: ModelFacts | None) -> Iterator[_Change]:
    """Layers on the CPU, for models without experts: every token waits for them."""
    given = this.values.get("n-gpu-layers")
    if facts is None or facts.number("expert_used_count") or not this.devices:
        return
    most = given if isinstance(given, int) else facts.n_layer + 1
    for count in range(most - 1, -1, -1):
        moved = facts.n_layer + 1 - count
        price = f"much slower answers: {moved} of {facts.n_layer + 1} layers on the CPU"
        yield _Change("layers", count, 8, price, {"n-gpu-layers": count})
