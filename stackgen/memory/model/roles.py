"""Which blocks are alike to the allocator, so that one of them can be built for all."""

from collections.abc import Hashable, Sequence

from stackgen.domain.facts import ModelFacts
from stackgen.memory.model.altup import SPARSE_BLOCKS
from stackgen.memory.model.experts import experts_used
from stackgen.memory.placement import Placement


def roles_of(facts: ModelFacts, placement: Placement, *, offload: bool = False) -> list[Hashable]:
    """For each block, what decides its part of the graph: itself and its neighbours.

    Graphs are built when a result is needed, so a block's part begins with the end of the block before, which
    gives back what came from the one before that. What follows decides where the last operations run.
    """
    n, places = facts.n_trunk, placement.layers
    kinds = [_kind(facts, placement, i) for i in range(n)]
    fetched = [_fetched(facts, placement, i) if offload else () for i in range(n)]
    before = [
        (places[i - 2] if i > 1 else i - 2, *kinds[max(0, i - 1) : i], *fetched[max(0, i - 1) : i + 1])
        for i in range(n)
    ]
    if placement.pipeline:
        after = [*places[1:n], -1]
        return [*zip(before, kinds, after, strict=True)]
    # Copies of inputs are made where a kind first reads them on a place, and given back after the last. They are
    # made at the start of a split, which may lie in the block before.
    last = {kind: i for i, kind in enumerate(kinds)}
    ends = {*last.values(), *(kinds.index(kind) for kind in last)}
    nearby = [tuple(j for j in (i, i + 1) if j in ends) for i in range(n)]
    return [(before[i], *kinds[i : i + 2], nearby[i]) for i in range(n)]


def _kind(facts: ModelFacts, placement: Placement, i: int) -> Hashable:
    """What makes two blocks the same whoever stands beside them: shapes and places, not storage types."""
    if _is_alone(facts, placement, i):
        return i
    moved = placement.of_block(i, facts.layers[i].weights)
    rope = "rope_not_every_4th" not in facts.traits or (i + 1) % 4 > 0
    sparse = "altup_proj.weight" in facts.by_name and i < SPARSE_BLOCKS
    used = experts_used(facts, i)
    return (placement.layers[i], facts.kinds[i], tuple(moved.items()), rope, sparse, used)


def _fetched(facts: ModelFacts, placement: Placement, i: int) -> tuple[int, ...]:
    """The bytes of a block's weights on the host, of which its devices take a copy."""
    weights = facts.layers[i].weights
    moved = placement.of_block(i, weights)
    return tuple(w.size for w in weights if moved.get(w.name, placement.layers[i]) == placement.host)


def _is_alone(facts: ModelFacts, placement: Placement, i: int) -> bool:
    """Whether a block reads what no other does: features of an image, a choice or a cache of other blocks, a slice."""
    a = facts.layers[i].attention
    if i < facts.number("n_deepstack_layers") or (a is not None and a.indexer_length):
        return True
    shared = a is not None and not a.cached
    return placement.n_devices > 1 and (shared or "per_layer_token_embd.weight" in facts.by_name)


def shortened(roles: Sequence[Hashable]) -> list[int]:
    """Blocks of all roles, the last one included: the way through the model without what only repeats it."""
    kept = [0]
    seen = {roles[0]}
    for i, role in enumerate(roles):
        if role not in seen or i == len(roles) - 1 > 0:
            seen.add(role)
            while (following := _last_like(roles, kept[-1], i) + 1) < i:
                kept.append(following)
            kept.append(i)
    return kept


def _last_like(roles: Sequence[Hashable], start: int, end: int) -> int:
    """The last block before `end` that has the role of the one at `start`."""
    return max(i for i in range(start, end) if roles[i] == roles[start])
