"""A model's shape as a row of the catalog states it, and the metadata that its converted file carries."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from stackgen.domain.header import MetaValue


class Shape(NamedTuple):
    """Hyperparameters under llama.cpp's names; 0, "" and False mean that there is no such thing."""

    name: str
    source: str
    """Where the numbers were published."""
    arch: str
    n_layer: int
    """All blocks of the file, prediction blocks included."""
    n_ctx_train: int
    n_vocab: int
    n_embd: int

    parameters: str = ""
    """The published number of parameters, rounded as it was there, such as 8.03B."""
    quant: str = "Q4_K_M"
    """The quantization that is meant when none is named."""
    mmproj_bytes: int = 0
    """Size of the projector's file in F16, to 3 %: as the hub lists it, or from the vision tower's shape."""

    n_layer_nextn: int = 0
    n_ff: int = 0
    n_head: int = 0
    n_head_kv: int = 0
    """0 = as many as n_head."""
    n_embd_head: int = 0
    """Width of a head where the file states it; 0 = n_embd / n_head."""
    n_rot: int = 0
    rope_freq_base: float = 10000.0
    rope_freqs: int = 0
    """Length of the tensor of long-context frequency factors."""
    eps: float = 1e-5

    blocks: str = "A"
    """A letter per block, repeated to n_layer. A: attention; S: attention in a window; M, m: Mamba 2 and 1;
    B: attention and Mamba 2; D: gated delta net; K: Kimi delta attention; C: convolution; E: nothing."""
    lone: bool = False
    """Experts are in the blocks E only, and there is no dense feed-forward part."""
    norms: tuple[str, ...] = ("attn_norm", "ffn_norm")
    norm_bias: bool = False
    layer_norm: bool = False
    """Not RMS norm."""
    output_norm: str = "output_norm"
    tied: bool = False
    """The token embedding is the output matrix too."""

    fused_qkv: bool = False
    qkv_bias: bool = False
    attn_output_bias: bool = False
    qk_norm: str = ""
    """head = as wide as one head, full = as wide as all."""
    q_gate: bool = False
    """The query projection yields a gate as well, which doubles it."""
    sinks: bool = False
    full_value: bool = True
    """False: blocks with full attention use their keys as values."""
    n_lora_q: int = 0
    n_lora_kv: int = 0
    n_head_nope: int = 0
    n_head_value: int = 0

    n_swa: int = 0
    swa_pattern: bool = False
    """The file says of each block whether it has the window."""
    n_embd_head_swa: int = 0
    n_head_kv_swa: int = 0
    n_layer_kv_shared: int = 0
    n_ff_kv_shared: int = 0
    """Feed-forward width of the blocks that share another's cache; 0 = the same."""
    n_embd_per_layer: int = 0

    ffn_gate: bool = True
    ffn_fused: bool = False
    """Gate and up in one tensor called up."""
    ffn_bias: bool = False

    n_expert: int = 0
    n_expert_used: int = 0
    n_ff_exp: int = 0
    """0 = n_ff."""
    n_ff_shexp: int = 0
    n_expert_shared: int = 0
    n_layer_dense_lead: int = 0
    moe_step: int = 1
    """Only every how manieth block has experts; the others are dense."""
    dense_beside: bool = False
    """Blocks with experts have a dense feed-forward part too."""
    n_expert_groups: int = 0
    n_group_used: int = 0
    expert_gating_func: int = 0
    expert_weights_scale: float = 0.0
    expert_weights_norm: bool = False
    exp_probs_b: bool = False
    exp_bias: bool = False
    exp_fused: bool = False
    exp_type: str = ""
    """How the experts are published, where every quantization keeps them so."""
    shexp_gate: bool = False
    shexp_key: bool = False
    """The file states the width of the shared expert."""

    ssm_d_conv: int = 0
    ssm_d_inner: int = 0
    ssm_d_state: int = 0
    ssm_dt_rank: int = 0
    ssm_n_group: int = 0
    ssm_norm: bool = True
    ssm_ba: bool = False
    """One projection for beta and alpha of the gated delta net."""
    n_embd_head_kda: int = 0
    n_shortconv_l_cache: int = 0

    extra: str = ""
    """A function of `layouts` with what the architecture has beyond all this."""
    keys: Mapping[str, MetaValue] = MappingProxyType({})
    """Further metadata, without the architecture's prefix."""

    @property
    def head(self) -> int:
        """Width of one head."""
        return self.n_embd_head or (self.n_embd // self.n_head if self.n_head else 0)

    @property
    def heads_kv(self) -> int:
        """Key/value heads of a block with full attention."""
        return self.n_head_kv or self.n_head

    def kind(self, block: int) -> str:
        """The letter of a block; prediction blocks are plain attention."""
        return "A" if block >= self.n_layer - self.n_layer_nextn else self.blocks[block % len(self.blocks)]

    def kinds(self) -> list[str]:
        """The letters of all blocks."""
        return [self.kind(i) for i in range(self.n_layer)]

    def has_experts(self, block: int) -> bool:
        """Whether a block has experts."""
        if self.lone:
            return self.kind(block) == "E"
        first = self.n_layer_dense_lead
        return self.n_expert > 0 and block >= first and block % self.moe_step == self.moe_step - 1

    def ff(self, block: int) -> int:
        """Width of a block's dense feed-forward part."""
        shared = block >= self.n_layer - self.n_layer_kv_shared
        return self.n_ff_kv_shared if shared and self.n_ff_kv_shared else self.n_ff


# Keys that are there exactly when the number is not 0.
_NUMBERS: Final = {
    "nextn_predict_layers": "n_layer_nextn",
    "rope.dimension_count": "n_rot",
    "attention.sliding_window": "n_swa",
    "attention.q_lora_rank": "n_lora_q",
    "attention.kv_lora_rank": "n_lora_kv",
    "expert_count": "n_expert",
    "expert_used_count": "n_expert_used",
    "expert_feed_forward_length": "n_ff_exp",
    "expert_shared_count": "n_expert_shared",
    "leading_dense_block_count": "n_layer_dense_lead",
    "expert_group_count": "n_expert_groups",
    "expert_group_used_count": "n_group_used",
    "expert_gating_func": "expert_gating_func",
    "expert_weights_scale": "expert_weights_scale",
    "expert_weights_norm": "expert_weights_norm",
    "ssm.conv_kernel": "ssm_d_conv",
    "ssm.inner_size": "ssm_d_inner",
    "ssm.state_size": "ssm_d_state",
    "ssm.time_step_rank": "ssm_dt_rank",
    "ssm.group_count": "ssm_n_group",
    "kda.head_dim": "n_embd_head_kda",
    "shortconv.l_cache": "n_shortconv_l_cache",
    "attention.shared_kv_layers": "n_layer_kv_shared",
    "embedding_length_per_layer_input": "n_embd_per_layer",
}


def metadata(shape: Shape) -> dict[str, MetaValue]:
    """What the header of a converted file says, but for tokenizer and provenance."""
    s = shape
    values: dict[str, MetaValue] = {
        "block_count": s.n_layer,
        "context_length": s.n_ctx_train,
        "embedding_length": s.n_embd,
        "vocab_size": s.n_vocab,
        "attention.head_count": s.n_head,
        "attention.head_count_kv": _heads_kv(s),
        f"attention.layer_norm_{'' if s.layer_norm else 'rms_'}epsilon": s.eps,
    }
    if s.n_ff or not s.n_expert:
        values["feed_forward_length"] = _feed_forward(s)
    if s.rope_freq_base and s.n_head:
        values["rope.freq_base"] = s.rope_freq_base
    if s.n_embd_head:
        values |= {"attention.key_length": s.n_embd_head, "attention.value_length": s.n_embd_head}
    if s.n_lora_kv:
        values |= _compressed(s)
    if s.n_embd_head_swa:
        values |= _window_heads(s)
    if s.swa_pattern:
        values["attention.sliding_window_pattern"] = tuple(k == "S" for k in s.kinds())
    if s.shexp_key:
        values["expert_shared_feed_forward_length"] = s.n_ff_shexp
    values |= s.keys
    values |= {key: getattr(s, name) for key, name in _NUMBERS.items() if getattr(s, name)}
    return {"general.architecture": s.arch, **{f"{s.arch}.{key}": value for key, value in values.items()}}


def _heads_kv(s: Shape) -> MetaValue:
    """One number, or one per block where some blocks have no attention or another number of heads."""
    if s.n_lora_kv and s.blocks == "A":
        return 1
    if s.n_head_kv_swa and s.n_head_kv_swa != s.heads_kv:
        return tuple(s.n_head_kv_swa if k == "S" else s.heads_kv for k in s.kinds())
    if set(s.blocks) & set("MmKCE") and s.n_head:
        heads = 1 if s.n_lora_kv else s.heads_kv
        return tuple(heads if k == "A" else 0 for k in s.kinds())
    return s.heads_kv


def _feed_forward(s: Shape) -> MetaValue:
    if s.lone:
        return tuple(s.n_ff if k == "E" else 0 for k in s.kinds())
    if s.n_ff_kv_shared:
        return tuple(s.ff(i) for i in range(s.n_layer))
    return s.n_ff


def _compressed(s: Shape) -> dict[str, MetaValue]:
    """Lengths of multi-head latent attention."""
    return {
        "attention.key_length": s.n_lora_kv + s.n_rot,
        "attention.value_length": s.n_lora_kv,
        "attention.key_length_mla": s.n_head_nope + s.n_rot,
        "attention.value_length_mla": s.n_head_value,
    }


def _window_heads(s: Shape) -> dict[str, MetaValue]:
    return {
        "attention.key_length_swa": s.n_embd_head_swa,
        "attention.value_length_swa": s.n_embd_head_swa,
        "rope.dimension_count_swa": s.n_embd_head_swa,
        "rope.freq_base_swa": 10000.0,
    }
