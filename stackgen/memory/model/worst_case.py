"""The worst-case graph of a model on given places, and the bytes it needs there (`graph_reserve`)."""

from collections.abc import Sequence

from stackgen.domain.facts import ModelFacts
from stackgen.domain.llama import LlamaParams
from stackgen.memory.geometry import Geometry
from stackgen.memory.graph.allocator import Allocator
from stackgen.memory.graph.scheduler import schedule
from stackgen.memory.graph.tensors import Graph
from stackgen.memory.model.blocks import block
from stackgen.memory.model.builder import Builder
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
    for i in blocks:
        b.enter(i)
        cur = b.g.expand(block(b, cur, last=i == blocks[-1]))
    if "late_output" in facts.traits:
        (cur,) = b.pick_outputs(cur)
    b.head(cur)
    return b.g


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
