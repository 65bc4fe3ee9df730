"""The sizes that all else multiplies: cells, streams, micro-batch, output rows (`llama_context`)."""

from typing import NamedTuple

from stackgen.domain.facts import ModelFacts
from stackgen.domain.ggml import BY_NAME, is_quantized
from stackgen.domain.llama import LlamaParams
from stackgen.memory.errors import Refused

MAX_SEQUENCES = 256
"""LLAMA_MAX_SEQ."""


def pad(n: int, to: int) -> int:
    """n rounded up to a multiple of `to`."""
    return -(-n // to) * to


class Geometry(NamedTuple):
    """What llama-server makes of its context options for one model."""

    n_seq: int
    """Slots."""
    unified: bool
    n_ctx_seq: int
    """Cells that one sequence can use: the cache's length per stream."""
    n_stream: int
    n_ubatch: int
    """Tokens of the worst-case micro-batch, a multiple of n_seq."""
    n_ubatch_asked: int
    """The micro-batch before rounding, as the window cache adds it."""
    n_outputs: int
    """Rows of logits that one micro-batch may ask for."""
    flash_attn: bool
    offload_cache: bool

    def cells(self, window: int | None, *, swa_full: bool) -> int:
        """Cells per stream (`llama_kv_cache_iswa`): window * sequences + micro-batch, padded."""
        if window is None or swa_full:
            return self.n_ctx_seq
        sharing = self.n_seq if self.unified else 1
        return pad(min(self.n_ctx_seq, window * sharing + self.n_ubatch_asked), 256)


def geometry(facts: ModelFacts, params: LlamaParams) -> Geometry:
    """Apply llama-server's rules. Raises Refused for what the engine turns down."""
    n_seq, unified = (4, True) if params.n_parallel < 0 else (max(1, params.n_parallel), False)
    if params.kv_unified is not None:
        unified = params.kv_unified
    flash_attn = params.flash_attn != "off" and facts.architecture != "grok"
    refuse(facts, params, n_seq, flash_attn=flash_attn)
    n_ctx = pad(params.n_ctx or facts.context_length, 256)
    n_ctx_seq = n_ctx if unified else pad(max(1, n_ctx // n_seq), 256)
    # Embeddings need a whole batch in one micro-batch: the server lowers the batch to fit.
    n_batch = min(params.n_batch, params.n_ubatch or params.n_batch) if params.embeddings else params.n_batch
    every_token = params.embeddings or params.all_outputs
    rows = n_batch if every_token else max(1, min(n_batch, n_seq * (1 + _drafts(params))))
    if "no_causal" not in facts.traits:
        n_batch = min(n_batch, params.n_ctx or facts.context_length)
    n_ubatch = min(n_batch, params.n_ubatch or n_batch)
    worst = min(n_ctx_seq * (1 if unified else n_seq), n_ubatch)
    return Geometry(
        n_seq=n_seq,
        unified=unified,
        n_ctx_seq=n_ctx_seq,
        n_stream=1 if unified else n_seq,
        n_ubatch=pad(worst, n_seq),
        n_ubatch_asked=n_ubatch,
        n_outputs=min(worst, rows),
        flash_attn=flash_attn,
        offload_cache=params.kv_offload,
    )


def _drafts(params: LlamaParams) -> int:
    return params.spec_draft_n_max if params.spec_type != "none" else 0


def refuse(facts: ModelFacts, params: LlamaParams, n_seq: int, *, flash_attn: bool) -> None:
    """Raise Refused where the engine would not start (`llama_init_from_model`)."""
    if n_seq > MAX_SEQUENCES:
        raise Refused(
            "too-many-slots", f"{n_seq} slots, the engine allows {MAX_SEQUENCES}", "lower `parallel`"
        )
    if is_quantized(params.type_v) and not flash_attn:
        raise Refused(
            "quantized-v-without-flash-attention",
            f"a V cache of type {params.type_v} needs flash attention, which is off",
            "set `flash_attn: auto`, or `cache_type_v: f16`",
        )
    if facts.is_mla and params.type_k != params.type_v:
        raise Refused(
            "mixed-cache-types-mla",
            f"K ({params.type_k}) and V ({params.type_v}) cache types differ, which a model with MLA does not allow",
            "set both types alike; V takes no memory here",
        )
    if flash_attn:
        _refuse_odd_rows(facts, params)


def _refuse_odd_rows(facts: ModelFacts, params: LlamaParams) -> None:
    """A head must be a whole number of the cache type's blocks."""
    for which, kind in (("key", params.type_k), ("value", params.type_v)):
        block = BY_NAME[kind].block
        for layer in facts.layers[: facts.n_trunk]:
            if layer.attention is None:
                continue
            length = layer.attention.key_length if which == "key" else layer.attention.value_length
            if length % block:
                raise Refused(
                    "cache-type-does-not-divide-head",
                    f"cache type {kind} stores blocks of {block}, which do not divide the {which} length {length}",
                    "use f16, or another cache type",
                )
