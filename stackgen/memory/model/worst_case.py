"""The worst-case graph of a model on given places, and the bytes it needs there (`graph_reserve`)."""

from collections.abc import Sequence

from stackgen.domain.facts import ModelFacts
from stackgen.domain.llama import LlamaParams
from stackgen.memory.geometry import Geometry
from stackgen.memory.graph.allocator import Allocator
from stackgen.memory.graph.scheduler import schedule
from stackgen.memory.graph.tensors import Graph, Tensor
from stackgen.memory.model.altup import altup_block, narrow, widen
from stackgen.memory.model.blocks import block
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.per_layer import add_per_layer, per_layer_inputs
from stackgen.memory.placement import Placement

KEPT = 2
"""Blocks kept of a run of equal ones on one place, at its start and at its end: more change nothing."""


def compute_bytes(facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement) -> list[int]:
    """Bytes of the compute buffer per place, the host last."""
    blocks = representative(facts, placement)
    graph = build(facts, params, geo, placement, blocks)
    plan = schedule(graph, placement.host, pipeline=placement.pipeline)
    return Allocator(placement.places).run(plan)


def build(
    facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement, blocks: Sequence[int]
) -> Graph:
    """The graph of these blocks between embeddings and head."""
    b = Builder(facts, params, geo, placement)
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
    """Enough blocks to reach every peak: of each kind on each place the first and the last few."""
    groups: dict[tuple[int, int, bool], list[int]] = {}
    for i in range(facts.n_trunk):
        moved = (
            any(placement.of(f"blk.{i}.{w.name}", i) != placement.layers[i] for w in facts.layers[i].weights)
            if placement.overrides
            else False
        )
        groups.setdefault((placement.layers[i], id(facts.layers[i]), moved), []).append(i)
    kept: set[int] = set()
    for members in groups.values():
        kept.update(members[:KEPT])
        kept.update(members[-1:])
    return sorted(kept)
