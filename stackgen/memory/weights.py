"""Bytes of weights per place: every tensor where it is loaded, some of them twice."""

from collections.abc import Iterator

from stackgen.domain.facts import ModelFacts, Weight
from stackgen.memory.geometry import pad
from stackgen.memory.placement import Placement

ALIGNMENT = 32
"""Tensors start at multiples of this in a buffer; 128 on CUDA, which adds a few KiB."""
_ROPE = "rope_"


def weight_bytes(facts: ModelFacts, placement: Placement) -> list[int]:
    """Bytes per place, the host last."""
    totals = [0] * placement.places
    for weight, where in placed(facts, placement):
        totals[where] += pad(weight.size, ALIGNMENT)
    return totals


def placed(facts: ModelFacts, placement: Placement) -> Iterator[tuple[Weight, int]]:
    """Every loaded copy of every tensor with its place; prediction blocks are not loaded."""
    for i, layer in enumerate(facts.layers[: facts.n_trunk]):
        home, moved = placement.layers[i], placement.of_block(i, layer.weights)
        for w in layer.weights:
            yield w, moved.get(w.name, home)
    for w in facts.weights:
        if w.name.startswith(_ROPE):
            # One copy for every device that holds a layer which uses it.
            for where in sorted(set(placement.layers[: facts.n_trunk])):
                yield w, where
        else:
            yield w, _place_of(facts, placement, w)
    yield from tied_output(facts, placement)


def _place_of(facts: ModelFacts, placement: Placement, w: Weight) -> int:
    if w.name.startswith("token_embd_norm.") and facts.architecture.startswith("lfm2"):
        return placement.of("output_norm.weight", None)  # it is LFM2's output norm, whatever its name
    return placement.of(w.name, None)


def tied_output(facts: ModelFacts, placement: Placement) -> Iterator[tuple[Weight, int]]:
    """A second copy of the embedding as the output matrix, where that is a GPU's and the file has none."""
    embedding = facts.by_name.get("token_embd.weight")
    if (
        embedding is None
        or "output.weight" in facts.by_name
        or not {"no_head", "head_on_input"}.isdisjoint(facts.traits)
    ):
        return
    where = placement.output_of("token_embd.weight")
    if where != placement.of("token_embd.weight", None) or "tied_twice" in facts.traits:
        yield embedding, where
