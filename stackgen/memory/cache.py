"""Bytes of key/value cache and recurrent state per place (`llama_kv_cache`, `llama_memory_recurrent`)."""

from stackgen.domain.facts import Attention, ModelFacts
from stackgen.domain.ggml import row_bytes
from stackgen.domain.llama import LlamaParams
from stackgen.memory.geometry import Geometry
from stackgen.memory.placement import Placement

F32 = 4


def cache_bytes(facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement) -> list[int]:
    """Key/value cache per place: cells * streams * (row of K + row of V), layer by layer."""
    widest_v = max((a.heads_kv * a.value_length for a in _cached(facts)), default=0)
    totals = [0] * placement.places
    for i, layer in enumerate(facts.layers):
        where = placement.layers[i] if geo.offload_cache else placement.host
        if layer.attention is not None and layer.attention.cached:
            totals[where] += layer_bytes(layer.attention, facts, params, geo, widest_v)
        elif "padded_values" in facts.traits and not geo.flash_attn:
            totals[where] += geo.n_ctx_seq * geo.n_stream * row_bytes(params.type_v, widest_v)
    return totals


def layer_bytes(a: Attention, facts: ModelFacts, params: LlamaParams, geo: Geometry, widest_v: int) -> int:
    """One layer's cache. Under MLA no V; without flash attention V is as wide as the widest layer's."""
    cells = geo.cells(a.window, swa_full=params.swa_full) * geo.n_stream
    row = row_bytes(params.type_k, a.heads_kv * a.key_length)
    if not facts.is_mla:
        row += row_bytes(params.type_v, a.heads_kv * a.value_length if geo.flash_attn else widest_v)
    if a.indexer_length:
        row += row_bytes(params.type_k, a.indexer_length)
    return cells * row


def _cached(facts: ModelFacts) -> list[Attention]:
    return [x.attention for x in facts.layers if x.attention is not None]


def recurrent_bytes(facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement) -> list[int]:
    """Recurrent state per place: always f32, one row per slot and one more per draft token that can be undone."""
    rows = geo.n_seq * (1 + rollback_rows(params))
    totals = [0] * placement.places
    for i, layer in enumerate(facts.layers[: facts.n_trunk]):
        if layer.recurrent is not None:
            where = placement.layers[i] if geo.offload_cache else placement.host
            totals[where] += rows * F32 * (layer.recurrent.conv + layer.recurrent.state)
    return totals


def rollback_rows(params: LlamaParams) -> int:
    """States kept per slot so that rejected draft tokens can be undone (`n_rs_seq`)."""
    kinds = ("mtp", "eagle3", "dflash", "dspark")
    return params.spec_draft_n_max if params.spec_type.removeprefix("draft-") in kinds else 0
