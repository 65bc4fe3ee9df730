"""The worst-case graph of a model on given places, and the bytes it needs there (`graph_reserve`)."""

from collections.abc import Sequence

from stackgen.domain.facts import ModelFacts
from stackgen.domain.llama import LlamaParams
from stackgen.memory.geometry import Geometry
from stackgen.memory.graph.allocator import Allocator
from stackgen.memory.graph.scheduler import Schedule, schedule
from stackgen.memory.graph.tensors import Graph, Tensor
from stackgen.memory.model.altup import altup_block, narrow, widen
from stackgen.memory.model.blocks import block
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.per_layer import add_per_layer, per_layer_inputs
from stackgen.memory.placement import Placement

KEPT = 2
"""Blocks kept of a run of equal ones on one place, at its start and at its end: more change nothing."""


def compute_bytes(
    facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement, *, offload: bool = False
) -> list[int]:
    """Bytes of the compute buffer per place, the host last; `offload`: with host weights moved to the first device."""
    blocks = representative(facts, placement)
    plan = _plan(Builder(facts, params, geo, placement), blocks, offload=offload)
    if params.flash_attn == "auto" and any(t.wanted not in (None, t.backend) for t in plan.nodes):
        # `auto` gives flash attention up when one of its operations lands on another place than its block.
        b = Builder(facts, params, geo, placement)
        b.flash_attn = False
        plan = _plan(b, blocks, offload=offload)
    return Allocator(placement.places).run(plan)


def _plan(b: Builder, blocks: Sequence[int], *, offload: bool) -> Schedule:
    graph = build(b, blocks)
    return schedule(graph, b.placement.host, pipeline=b.placement.pipeline, offload=offload)


def build(b: Builder, blocks: Sequence[int]) -> Graph:
    """The graph of these blocks between embeddings and head."""
    facts = b.facts
    cur = b.embeddings()
    inputs = per_layer_inputs(b, cur)
    wide = "altup_proj.weight" in facts.by_name
    if wide:
        cur = widen(b, cur)
    for i in blocks:
        b.enter(i)
        if wide and inputs is not None:
            cur = altup_block(b, cur, inputs)
            continue
        cur = block(b, cur, last=i == blocks[-1])
        if inputs is not None:
            cur = add_per_layer(b, cur, inputs)
        cur = finish(b, cur)
    b.head(narrow(b, cur) if wide else cur)
    return b.g


def finish(b: Builder, cur: Tensor) -> Tensor:
    """What follows a block in some models: a scale, image features of the first blocks."""
    if b.has("layer_output_scale.weight"):
        cur = b.g.mul(cur, b.weight("layer_output_scale.weight"))
    if b.i < b.facts.number("n_deepstack_layers") and b.raw_embeddings is not None:
        raw = b.raw_embeddings
        cur = b.g.add(cur, b.g.view(raw, b.embd, b.n, nb=(raw.strides[1],)))
    return cur


def representative(facts: ModelFacts, placement: Placement) -> list[int]:
    """Enough blocks to reach every peak: of each kind, between the same neighbours, the first and the last few."""
    n = facts.n_trunk
    kinds = [_kind(facts, placement, i) for i in range(n)]
    groups: dict[object, list[int]] = {}
    for i, kind in enumerate(kinds):
        around = (kinds[i - 1] if i else None, kinds[i + 1] if i + 1 < n else None)
        groups.setdefault((kind, around), []).append(i)
    kept = {0, n - 1}
    for members in groups.values():
        for i in members[:KEPT]:
            kept.update(j for j in (i - 1, i, i + 1) if 0 <= j < n)
    return sorted(kept)


def _kind(facts: ModelFacts, placement: Placement, i: int) -> tuple[object, ...]:
    layer = facts.layers[i]
    moved = placement.of_block(i, layer.weights)
    special = i if i < facts.number("n_deepstack_layers") else -1
    return (placement.layers[i], id(layer), tuple(moved.items()), special)
