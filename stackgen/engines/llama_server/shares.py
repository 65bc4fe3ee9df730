"""How to deal layers to several GPUs when some of them weigh less than others."""

from collections.abc import Sequence
from itertools import accumulate

from stackgen.domain.facts import Layer, ModelFacts
from stackgen.domain.ggml import row_bytes
from stackgen.domain.units import GIB
from stackgen.engines.llama_server.effective import Case
from stackgen.memory.served import usable

_FIXED = 2 * GIB
"""What a GPU holds whatever its layers are: compute buffers and the driver, roughly."""


def beside_experts(this: Case, facts: ModelFacts, blocks: int) -> tuple[int, ...]:
    """Layers per GPU, so that each holds its part of what is left there when the first `blocks` keep experts elsewhere.

    Bytes of weights and cache count; the output layer goes with the last block.
    """
    cells = this.number("ctx-size") or facts.context_length
    row = (str(this.values["cache-type-k"]), str(this.values["cache-type-v"]))
    sizes = [
        _weight(layer, experts=index >= blocks) + _cache(layer, cells, row)
        for index, layer in enumerate(facts.layers)
    ]
    output = facts.by_name.get("output.weight") or facts.by_name.get("token_embd.weight")
    sizes[-1] += output.size if output else 0
    return dealt(sizes, [max(1, usable(gpu) - _FIXED) for gpu in this.devices])


def dealt(sizes: Sequence[int], room: Sequence[int]) -> tuple[int, ...]:
    """How many of the layers each device takes, in their order, in proportion to its room; one more for the output."""
    whole, capacity = sum(sizes), sum(room)
    ends = list(accumulate(room))
    counts = [0] * len(room)
    for at, size in zip(accumulate(sizes, initial=0), sizes, strict=False):
        middle = (2 * at + size) * capacity
        counts[next((i for i, end in enumerate(ends) if middle < 2 * end * whole), len(room) - 1)] += 1
    counts[-1] += 1
    return tuple(counts)


def _weight(layer: Layer, *, experts: bool) -> int:
    return sum(w.size for w in layer.weights if experts or "_exps" not in w.name)


def _cache(layer: Layer, cells: int, types: tuple[str, str]) -> int:
    found = layer.attention
    if found is None or not found.cached:
        return 0
    rows = zip((found.key_length, found.value_length), types, strict=True)
    length = min(cells, found.window) if found.window else cells
    return sum(length * row_bytes(kind, found.heads_kv * width) for width, kind in rows)
