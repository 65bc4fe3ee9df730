"""Caches that are not one per attention layer: shared ones, and those of sparse attention's indexers."""

from typing import Final

from stackgen.domain.facts import Weight
from stackgen.facts.keys import Keys

GLM_5_2_CONTEXT: Final = 1048576
"""From this trained context on, a file that does not list its indexers has them in every fourth layer (glm-dsa.cpp)."""
# Gemma 3n keeps a cache for its first 20 layers; the rest read the last two of these (gemma3n.cpp).
CACHED_FROM_START: Final = {"gemma3n": 20}


def cached_layers(architecture: str, keys: Keys) -> int:
    """How many layers, from the first, keep a cache of their own (`n_layer_kv_from_start`)."""
    n_layer = keys.number("block_count")
    if shared := keys.number("attention.shared_kv_layers"):
        return n_layer - shared
    return CACHED_FROM_START.get(architecture, n_layer)


def indexer_length(architecture: str, keys: Keys, weights: tuple[Weight, ...], index: int) -> int:
    """Row of the keys-only cache of a sparse-attention layer that has an indexer of its own, else 0."""
    length = keys.number("attention.indexer.key_length")
    if not length:
        return 0
    if architecture == "glm-dsa":
        owns = keys.values.get("attention.indexer.types")
        if isinstance(owns, tuple) and index < len(owns):
            return length if owns[index] else 0
        if keys.number("context_length") >= GLM_5_2_CONTEXT:
            return length if index < 2 or (index - 2) % 4 == 0 else 0
    return length if any(w.name.startswith("indexer") for w in weights) else 0
