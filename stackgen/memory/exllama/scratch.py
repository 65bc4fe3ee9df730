"""What reading a prompt takes for a moment: the most of any layer, for PyTorch keeps and reuses it."""

from functools import lru_cache
from typing import Final, NamedTuple

from stackgen.domain.exllama import ExllamaParams
from stackgen.domain.facts import Layer, ModelFacts, Weight
from stackgen.memory.exllama.cache import F16, F32, token_bytes

SLICE: Final = 32768
"""Columns of a weight that are restored at a time (modules/quant/exl3.py, MAX_RECONSTRUCT_SLICE_N)."""
OUTPUT_ROWS: Final = 32
"""Rows of logits that loading tries out (Model.load_gen, max_output_size)."""


class Scratch(NamedTuple):
    """Bytes, with their arithmetic."""

    low: int
    best: int
    high: int
    formula: str


def scratch(facts: ModelFacts, params: ExllamaParams) -> Scratch:
    """A weight restored to FP16, the activations of a chunk, at worst a layer's cache in FP16, and a few logits.

    Activations are modelled: two states of a chunk in FP32, and of the widest block its inner rows three times in FP16.
    """
    kinds = tuple(dict.fromkeys(facts.layers))
    restored = max((_restored(layer) for layer in kinds), default=0)
    wide = max((_inner(layer, facts) for layer in kinds), default=0)
    rows = params.chunk_size * (2 * facts.embedding_length * F32 + 3 * wide * F16)
    logits = OUTPUT_ROWS * facts.vocab_size * F32
    plain = max((_plain_cache(layer, facts, params) for layer in kinds), default=0)
    return Scratch(
        low=restored,
        best=restored + rows + logits,
        high=restored + 2 * rows + logits + plain,
        formula=(
            f"{restored} B of one weight in FP16 + {params.chunk_size} tokens x "
            f"({2 * facts.embedding_length} x 4 B + {3 * wide} x 2 B) + {OUTPUT_ROWS} rows of logits"
        ),
    )


@lru_cache(maxsize=4096)
def _restored(layer: Layer) -> int:
    """rows x min(columns, 32768) x 2 B of the largest weight; of experts, one at a time."""
    return max((w.shape[0] * min(w.shape[1], SLICE) * F16 for w in layer.weights if _is_matrix(w)), default=0)


def _inner(layer: Layer, facts: ModelFacts) -> int:
    """The widest row inside a block: of the feed-forward part, of the experts of one token, or of attention."""
    used = max(1, facts.number("expert_used_count", 1))
    widths = [
        max(w.shape[:2]) * (used if "_exps" in w.name or ".experts." in w.name else 1)
        for w in layer.weights
        if _is_matrix(w)
    ]
    return max(widths, default=0)


def _is_matrix(weight: Weight) -> bool:
    return len(weight.shape) >= 2 and min(weight.shape[:2]) > 16


def _plain_cache(layer: Layer, facts: ModelFacts, params: ExllamaParams) -> int:
    """A quantized cache restored to FP16, as attention kernels want that cannot read it (cache/quant.py, get_kv)."""
    if layer.attention is None or params.cache_mode == "FP16" or facts.is_mla:
        return 0
    keys = layer.attention.heads_kv * (layer.attention.key_length + layer.attention.value_length)
    return params.cache_size * keys * F16 if token_bytes(layer.attention, params) else 0
