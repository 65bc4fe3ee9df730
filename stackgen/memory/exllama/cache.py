"""Caches and states of one layer, in bytes."""

from typing import Any, Final

from stackgen.data import load_toml
from stackgen.domain.exllama import PAGE_SIZE, ExllamaParams
from stackgen.domain.facts import Attention, Layer, ModelFacts, Recurrent

F16: Final = 2
F32: Final = 4
_BITS: Final = {"Q8": (8, 8), "Q6": (6, 6), "Q4": (4, 4)}
# ExLlamaV2: sixteenths of a byte of keys and values, scales included (exllamav2/cache.py).
_V2_SIXTEENTHS: Final = {"FP16": 64, "FP8": 32, "Q8": 34, "Q6": 26, "Q4": 18}


def bits(mode: str) -> tuple[int, int] | None:
    """Bits of keys and values in a mode of ExLlamaV3; None = FP16."""
    if mode in _BITS:
        return _BITS[mode]
    keys, comma, values = mode.partition(",")
    return (int(keys), int(values)) if comma else None


def token_bytes(attention: Attention, params: ExllamaParams, *, mla: bool = False) -> int:
    """One token's keys and values in one layer.

    exllamav3/cache/fp16.py: 2 B each; quant.py: bits, and a 16-bit scale for 32 values; mla.py: a latent, which alone
    is quantized, and a rotary key. exllamav2/cache.py: as `_V2_SIXTEENTHS`.
    """
    keys = attention.heads_kv * attention.key_length
    values = attention.heads_kv * attention.value_length
    if params.backend == "exllamav2":
        return (keys + values) * _V2_SIXTEENTHS.get(params.cache_mode, 64) // 32
    stored = bits(params.cache_mode)
    if mla:
        latent, rope = attention.value_length, attention.key_length - attention.value_length
        return F16 * rope + (F16 * latent if stored is None else _quantized(latent, stored[0]))
    if stored is None:
        return F16 * (keys + values)
    return _quantized(keys, stored[0]) + _quantized(values, stored[1])


def _quantized(elements: int, width: int) -> int:
    """32 values in `width` words of 32 bits, and their scale in 16 bits."""
    return elements // 32 * (width * F32 + F16)


def keeps_ring(attention: Attention, facts: ModelFacts, params: ExllamaParams) -> bool:
    """Whether a layer keeps a ring for each conversation rather than pages."""
    families = _table("rings")["architectures"]
    return attention.window is not None and facts.architecture in families and params.backend == "exllamav3"


def ring_bytes(attention: Attention, slots: int) -> int:
    """The rings of one layer, in FP16 whatever the cache's mode (modules/sliding_attn.py, kv_state_size)."""
    tokens = (attention.window or 0) + int(_table("rings")["overprovision"])
    rows = -(-tokens // PAGE_SIZE) * PAGE_SIZE
    return slots * rows * attention.heads_kv * (attention.key_length + attention.value_length) * F16


def recurrent_bytes(state: Recurrent, kernel: int, slots: int, history: int) -> int:
    """The states of one layer (exllamav3 1.4.1, modules/gated_delta_net.py, GDNLayerState).

    slots x ((history + 1) x state x 4 B + channels x (kernel + history) x 2 B), of which `state.conv` has
    channels x (kernel - 1).
    """
    channels = state.conv // max(1, kernel - 1)
    return slots * ((history + 1) * state.state * F32 + channels * (kernel + history) * F16)


def has_state(facts: ModelFacts, params: ExllamaParams) -> bool:
    """Whether conversations have a state of their own, which slots multiply."""
    return any(
        layer.recurrent is not None
        or (layer.attention is not None and keeps_ring(layer.attention, facts, params))
        for layer in facts.layers
    )


def slots_of(facts: ModelFacts, params: ExllamaParams) -> int:
    """Conversations at the same time."""
    table = _table("slots")
    return params.max_batch_size or int(table["with_state" if has_state(facts, params) else "without"])


def paged_bytes(layer: Layer, facts: ModelFacts, params: ExllamaParams) -> int:
    """The paged cache of one layer."""
    attention = layer.attention
    if attention is None or not attention.cached or keeps_ring(attention, facts, params):
        return 0
    return params.cache_size * token_bytes(attention, params, mla=facts.is_mla)


def state_bytes(layer: Layer, facts: ModelFacts, params: ExllamaParams) -> int:
    """Rings and recurrent states of one layer."""
    slots, found = slots_of(facts, params), 0
    if layer.attention is not None and layer.attention.cached and keeps_ring(layer.attention, facts, params):
        found += ring_bytes(layer.attention, slots)
    if layer.recurrent is not None:
        kernel = facts.number("ssm.conv_kernel", facts.number("shortconv.l_cache", 4))
        found += recurrent_bytes(layer.recurrent, kernel, slots, params.max_history)
    return found


def _table(name: str) -> dict[str, Any]:
    found: dict[str, Any] = load_toml("exllama")[name]
    return found
