"""ModelFacts from a GGUF header: metadata keys, tensor shapes, and the few tables of families/."""

import re
from functools import lru_cache
from itertools import groupby
from math import isfinite, prod
from typing import TypeGuard

from stackgen.domain.facts import Attention, Hyperparameter, Layer, ModelFacts, Scalar, Weight
from stackgen.domain.footprint import Basis
from stackgen.domain.ggml import TYPES, row_bytes
from stackgen.domain.header import GgufHeader, MetaValue, SkippedArray, TensorInfo
from stackgen.facts.families import caches, recurrent, windows
from stackgen.facts.families.traits import traits_of
from stackgen.facts.keys import FactsError, Keys

MAX_LAYERS = 4096
"""The deepest models have some 130; a damaged file may claim any number."""
MAX_WORD = 200
"""Characters of an architecture's or a model's name."""
_BLOCK = re.compile(r"blk\.(\d+)\.(.+)")


def derive(header: GgufHeader, *, basis: Basis = Basis.EXACT) -> ModelFacts:
    """The facts of a model. Raises FactsError when the header is not one of a language model."""
    architecture = header.architecture
    if not architecture:
        raise FactsError("the file does not name its architecture (`general.architecture`)")
    if not architecture.isprintable() or len(architecture) > MAX_WORD:
        raise FactsError(f"the file names no architecture that there can be: {architecture!r:.90}")
    keys = Keys(header.metadata, architecture)
    n_layer = keys.require("block_count")
    if not 0 <= n_layer <= MAX_LAYERS:
        raise FactsError(f"the file claims {n_layer} layers; 0 to {MAX_LAYERS} are believed")
    blocks, rest = _sort_weights(header.tensors, n_layer)
    nextn = min(keys.number("nextn_predict_layers"), n_layer)
    traits = _traits(architecture, keys)
    layers = tuple(
        Layer(
            attention=_attention(architecture, keys, weights, i, n_layer - nextn, traits),
            recurrent=recurrent.state(keys, weights) if i < n_layer - nextn else None,
            weights=weights,
        )
        for i, weights in enumerate(blocks)
    )
    return ModelFacts(
        architecture=architecture,
        name=_text(header.metadata.get("general.name")),
        layers=_shared(layers),
        n_layer_nextn=nextn,
        context_length=keys.number("context_length"),
        embedding_length=keys.require("embedding_length"),
        vocab_size=_vocab_size(header, keys, rest),
        weights=rest,
        traits=traits,
        hyperparameters=_hyperparameters(keys),
        parameter_count=sum(prod(t.shape) for t in header.tensors),
        file_bytes=header.file_bytes,
        basis=basis,
    )


def _sort_weights(
    tensors: tuple[TensorInfo, ...], n_layer: int
) -> tuple[list[tuple[Weight, ...]], tuple[Weight, ...]]:
    """The tensors of each block, and those of none."""
    blocks: list[list[Weight]] = [[] for _ in range(n_layer)]
    rest: list[Weight] = []
    for t in tensors:
        if t.type_id not in TYPES:
            raise FactsError(f"tensor `{t.name}` is stored as type {t.type_id}, which is not known")
        match = _BLOCK.fullmatch(t.name)
        if match and (block := int(match[1])) < n_layer:
            blocks[block].append(_weight(match[2], t.shape or (1,), t.type_id))
        else:
            rest.append(_weight(t.name, t.shape or (1,), t.type_id))
    return [tuple(b) for b in blocks], tuple(rest)


@lru_cache(maxsize=4096)
def _weight(name: str, shape: tuple[int, ...], type_id: int) -> Weight:
    """Blocks repeat the same few weights: each is made once."""
    kind = TYPES[type_id].name
    return Weight(name=name, shape=shape, type=kind, size=row_bytes(kind, shape[0]) * prod(shape[1:]))


def _traits(architecture: str, keys: Keys) -> tuple[str, ...]:
    found = traits_of(architecture)
    if keys.values.get("attention.causal") is False:
        found.add("no_causal")
    if keys.values.get("rope.scaling.finetuned") is False and architecture == "granitehybrid":
        found.add("no_rope")
    if "attention.key_length_mla" in keys.values and "attention.value_length_mla" in keys.values:
        found.add("mla")
    return tuple(sorted(found))


def _attention(
    architecture: str,
    keys: Keys,
    weights: tuple[Weight, ...],
    index: int,
    n_trunk: int,
    traits: tuple[str, ...],
) -> Attention | None:
    """What layer `index` keeps in the cache; None for a layer without attention."""
    heads = keys.at("attention.head_count", index)
    heads_kv = keys.at("attention.head_count_kv", index, heads)
    if heads == 0 or heads_kv == 0:
        return None
    if recurrent.replaces_attention(architecture, keys, index, n_trunk):
        return None
    window = window_of(architecture, keys, index, n_trunk)
    default = keys.number("embedding_length") // max(1, keys.at("attention.head_count", 0))
    suffix = "_swa" if window is not None and "attention.key_length_swa" in keys.values else ""
    return Attention(
        heads=heads,
        heads_kv=heads_kv,
        key_length=keys.number("attention.key_length" + suffix, default),
        value_length=keys.number("attention.value_length" + suffix, default),
        window=window,
        cached=index < min(n_trunk, caches.cached_layers(architecture, keys))
        and ("no_cache" not in traits or "idle_cache" in traits),
        indexer_length=caches.indexer_length(architecture, keys, weights, index),
    )


def window_of(architecture: str, keys: Keys, index: int, n_trunk: int) -> int | None:
    """The sliding window of one layer, or None (`llama_hparams::is_swa`)."""
    rule = windows.WINDOWS.get(architecture)
    size = keys.number("attention.sliding_window", rule.size if rule else 0)
    if architecture in windows.IGNORED or index >= n_trunk or size == 0:
        return None
    pattern = keys.values.get("attention.sliding_window_pattern")
    if isinstance(pattern, tuple):
        return size if index < len(pattern) and pattern[index] else None
    if architecture in windows.ALL_LAYERS:
        return size
    if rule is None or (rule.only_layers and n_trunk != rule.only_layers):
        return None
    if rule.fixed:
        if architecture != "llama4" and "attention.sliding_window" not in keys.values:
            return None
        size = rule.fixed
    period = pattern if isinstance(pattern, int) and pattern else rule.period
    inside = index % period != 0 if rule.dense_first else index % period < period - 1
    return size if inside else None


def _shared(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Equal layers as one object, so that later comparisons are cheap."""
    seen: dict[Layer, Layer] = {}
    return tuple(seen.setdefault(layer, layer) for layer in layers)


def fold(layers: tuple[Layer, ...]) -> list[tuple[int, Layer]]:
    """Runs of equal layers, for storing them."""
    return [(len(list(run)), layer) for layer, run in groupby(layers)]


def _vocab_size(header: GgufHeader, keys: Keys, rest: tuple[Weight, ...]) -> int:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, SkippedArray):
        return tokens.length
    if isinstance(tokens, tuple):
        return len(tokens)
    if size := keys.number("vocab_size"):
        return size
    return next((w.shape[-1] for w in rest if w.name == "token_embd.weight"), 0)


def _hyperparameters(keys: Keys) -> tuple[tuple[str, Hyperparameter], ...]:
    found: list[tuple[str, Hyperparameter]] = []
    for key, value in sorted(keys.values.items()):
        if isinstance(value, tuple):
            items: tuple[Scalar, ...] = tuple(v for v in value if _is_scalar(v))
            if len(items) == len(value):
                found.append((key, items))
        elif _is_scalar(value):
            found.append((key, value))
    return tuple(found)


def _is_scalar(value: MetaValue) -> TypeGuard[Scalar]:
    """Whether JSON can hold it."""
    return isinstance(value, int | str) or (isinstance(value, float) and isfinite(value))


def _text(value: MetaValue | None) -> str:
    """A name that people can read."""
    return value if isinstance(value, str) and value.isprintable() and len(value) <= MAX_WORD else ""
