"""The worst-case graph of a model on given places, and the bytes it needs there (`graph_reserve`).

Blocks that are alike are built once. Their parts are then played for the whole model, block by block.
"""

from collections.abc import Sequence

from stackgen.domain.facts import ModelFacts
from stackgen.domain.llama import LlamaParams
from stackgen.memory.errors import Refused
from stackgen.memory.geometry import Geometry
from stackgen.memory.graph.allocator import peaks
from stackgen.memory.graph.lifetimes import Part, fit_together, lifetimes
from stackgen.memory.graph.scheduler import Schedule, schedule
from stackgen.memory.graph.tensors import Graph, Tensor
from stackgen.memory.model.altup import altup_block, narrow, widen
from stackgen.memory.model.blocks import block
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.per_layer import add_per_layer, per_layer_inputs
from stackgen.memory.model.roles import roles_of, shortened
from stackgen.memory.placement import Placement

TABLE_SIZES = (521, 1031, 2053, 4099, 8209, 16411, 32771)
"""Primes that ggml's hash tables grow to."""
FEW_TENSORS = 6.5
"""Tensors a block below which that table can be too small: fused projections, no biases."""


def compute_bytes(
    facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement, *, offload: bool = False
) -> list[int]:
    """Bytes of the compute buffer per place, the host last; `offload`: with host weights moved to the first device."""
    refuse_large_graph(facts, params, geo, placement)
    roles = roles_of(facts, placement, offload=offload)
    blocks = shortened(roles)
    parts = _parts(facts, params, geo, placement, blocks, offload=offload)
    first = {roles[i]: at for at, i in reversed([*enumerate(blocks, 1)])}
    order = [0, *(first[role] for role in roles), len(parts) - 1]
    if not fit_together(parts, order):
        parts = _parts(facts, params, geo, placement, range(facts.n_trunk), offload=offload)
        order = [*range(len(parts))]
    return peaks(parts, order, placement.places)


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


def _parts(
    facts: ModelFacts,
    params: LlamaParams,
    geo: Geometry,
    placement: Placement,
    blocks: Sequence[int],
    *,
    offload: bool,
) -> list[Part]:
    plan = _plan(Builder(facts, params, geo, placement), blocks, offload=offload)
    if params.flash_attn == "auto" and any(t.wanted not in (None, t.backend) for t in plan.nodes):
        # `auto` gives flash attention up when one of its operations lands on another place than its block.
        b = Builder(facts, params, geo, placement)
        b.inputs.flash_attn = False
        plan = _plan(b, blocks, offload=offload)
    return lifetimes(plan)


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
        b.g.mark()
        b.enter(i)
        if wide and inputs is not None:
            cur = altup_block(b, cur, inputs)
            continue
        cur = block(b, cur, last=i == blocks[-1])
        if inputs is not None:
            cur = add_per_layer(b, cur, inputs)
        cur = finish(b, cur)
    b.g.mark()
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
