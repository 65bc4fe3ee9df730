"""The worst-case graph of a model on given places, and the bytes it needs there (`graph_reserve`)."""

from collections.abc import Sequence

from stackgen.domain.facts import ModelFacts
from stackgen.domain.llama import LlamaParams
from stackgen.memory.errors import Refused
from stackgen.memory.geometry import Geometry
from stackgen.memory.graph.allocator import Allocator
from stackgen.memory.graph.scheduler import Schedule, schedule
from stackgen.memory.graph.tensors import Graph, Tensor
from stackgen.memory.model.altup import altup_block, narrow, widen
from stackgen.memory.model.blocks import block
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.per_layer import add_per_layer, per_layer_inputs
from stackgen.memory.placement import Placement

TABLE_SIZES = (521, 1031, 2053, 4099, 8209, 16411, 32771)
"""Primes that ggml's hash tables grow to."""
FEW_TENSORS = 6.5
"""Tensors a block below which that table can be too small: fused projections, no biases."""
KEPT = 2
"""Blocks kept of those that are alike and have like neighbours: more change nothing."""


def compute_bytes(
    facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement, *, offload: bool = False
) -> list[int]:
    """Bytes of the compute buffer per place, the host last; `offload`: with host weights moved to the first device."""
    blocks = representative(facts, placement)
    refuse_large_graph(facts, params, geo, placement)
    plan = _plan(Builder(facts, params, geo, placement), blocks, offload=offload)
    if params.flash_attn == "auto" and any(t.wanted not in (None, t.backend) for t in plan.nodes):
        # `auto` gives flash attention up when one of its operations lands on another place than its block.
        b = Builder(facts, params, geo, placement)
        b.inputs.flash_attn = False
        plan = _plan(b, blocks, offload=offload)
    return Allocator(placement.places).run(plan)


def refuse_large_graph(facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement) -> None:
    """Raise Refused where the graph outgrows the table that the engine sizes by the file's tensors: it aborts then."""
    n_tensors = len(facts.weights) + sum(len(x.weights) for x in facts.layers)
    room = next((p for p in TABLE_SIZES if p >= max(1024, 8 * n_tensors)), None)
    per_block = n_tensors / max(1, facts.n_layer)
    if room is None or per_block > FEW_TENSORS or "large_graph" in facts.traits:
        return
    graph = build(Builder(facts, params, geo, placement), range(facts.n_trunk))
    # Several streams need two more views of the cache in every block.
    views = 2 * facts.n_trunk if geo.n_stream > 1 else 0
    if len(graph.nodes) + len(graph.leafs) + views > room:
        raise Refused(
            "graph-too-large",
            f"the engine aborts: its graph has more than the {room} tensors that a file of {n_tensors} gets room for",
            "use one slot, a unified cache, or f16 for both cache types",
        )


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
    """Enough blocks to reach every peak: of each kind, between the same neighbours, the first one or two."""
    n = facts.n_trunk
    if any(x.attention is not None and x.attention.indexer_length for x in facts.layers):
        return list(range(n))  # holes in the buffer: the peak grows with every block
    kinds = [_kind(facts, placement, i) for i in range(n)]
    groups: dict[object, list[int]] = {}
    for i in range(n):
        groups.setdefault((*tuple(kinds[max(0, i - 1) : i + 2]), i == 0), []).append(i)
    kept = {0, n - 1}
    for members in groups.values():
        for i in members[:KEPT]:
            kept.update(j for j in (i - 1, i, i + 1) if 0 <= j < n)
    return sorted(kept)


def _kind(facts: ModelFacts, placement: Placement, i: int) -> tuple[object, ...]:
    """What makes two blocks the same to the allocator: shapes and places, not storage types."""
    layer = facts.layers[i]
    moved = placement.of_block(i, layer.weights)
    a = layer.attention
    alone = i < facts.number("n_deepstack_layers") or (
        a is not None and not a.cached and placement.n_devices > 1
    )
    return (placement.layers[i], facts.kinds[i], tuple(moved.items()), i if alone else -1)
