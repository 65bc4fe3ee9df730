"""The tensors of what mixes tokens in a block: attention in its kinds, recurrent layers and convolutions."""

from collections.abc import Callable, Iterator
from typing import Final

from stackgen.facts.shapes import Shape

# Name without `blk.N.`, shape in ggml order, and the type where it is fixed.
Part = tuple[str, tuple[int, ...]] | tuple[str, tuple[int, ...], str]
Parts = Iterator[Part]


def _attention(s: Shape, kind: str) -> Parts:
    if s.n_lora_kv:
        yield from _latent_attention(s)
        return
    window = kind == "S"
    d = s.n_embd_head_swa if window and s.n_embd_head_swa else s.head
    heads_kv = s.n_head_kv_swa if window and s.n_head_kv_swa else s.heads_kv
    q, kv = s.n_head * d, heads_kv * d
    if s.fused_qkv:
        yield "attn_qkv.weight", (s.n_embd, q + 2 * kv)
        if s.qkv_bias:
            yield "attn_qkv.bias", (q + 2 * kv,)
    else:
        yield "attn_q.weight", (s.n_embd, q * 2 if s.q_gate else q)
        yield "attn_k.weight", (s.n_embd, kv)
        if window or s.full_value:
            yield "attn_v.weight", (s.n_embd, kv)
        if s.qkv_bias:
            yield from (("attn_q.bias", (q,)), ("attn_k.bias", (kv,)), ("attn_v.bias", (kv,)))
    yield "attn_output.weight", (q, s.n_embd)
    if s.attn_output_bias:
        yield "attn_output.bias", (s.n_embd,)
    if s.qk_norm:
        yield "attn_q_norm.weight", (d if s.qk_norm == "head" else q,)
        yield "attn_k_norm.weight", (d if s.qk_norm == "head" else kv,)
    if s.sinks:
        yield "attn_sinks.weight", (s.n_head,)


def _latent_attention(s: Shape) -> Parts:
    """Multi-head latent attention with kv_b split into keys and values, as converted since 2025."""
    key = s.n_head_nope + s.n_rot
    if s.n_lora_q:
        yield "attn_q_a.weight", (s.n_embd, s.n_lora_q)
        yield "attn_q_a_norm.weight", (s.n_lora_q,)
        yield "attn_q_b.weight", (s.n_lora_q, s.n_head * key)
    else:
        yield "attn_q.weight", (s.n_embd, s.n_head * key)
    yield "attn_kv_a_mqa.weight", (s.n_embd, s.n_lora_kv + s.n_rot)
    yield "attn_kv_a_norm.weight", (s.n_lora_kv,)
    yield "attn_k_b.weight", (s.n_head_nope, s.n_lora_kv, s.n_head)
    yield "attn_v_b.weight", (s.n_lora_kv, s.n_head_value, s.n_head)
    yield "attn_output.weight", (s.n_head * s.n_head_value, s.n_embd)


def _mamba2(s: Shape, _kind: str) -> Parts:
    channels = s.ssm_d_inner + 2 * s.ssm_n_group * s.ssm_d_state
    yield "ssm_in.weight", (s.n_embd, s.ssm_d_inner + channels + s.ssm_dt_rank)
    yield "ssm_conv1d.weight", (s.ssm_d_conv, channels)
    yield "ssm_conv1d.bias", (channels,)
    yield "ssm_dt.bias", (s.ssm_dt_rank,)
    yield "ssm_a", (1, s.ssm_dt_rank)
    yield "ssm_d", (1, s.ssm_dt_rank)
    if s.ssm_norm:
        yield "ssm_norm.weight", (s.ssm_d_inner // s.ssm_n_group, s.ssm_n_group)
    yield "ssm_out.weight", (s.ssm_d_inner, s.n_embd)


def _mamba1(s: Shape, _kind: str) -> Parts:
    inner, state, dt = s.ssm_d_inner, s.ssm_d_state, s.ssm_dt_rank
    yield "ssm_in.weight", (s.n_embd, 2 * inner)
    yield "ssm_conv1d.weight", (s.ssm_d_conv, inner)
    yield "ssm_conv1d.bias", (inner,)
    yield "ssm_x.weight", (inner, dt + 2 * state)
    yield "ssm_dt.weight", (dt, inner)
    yield "ssm_dt.bias", (inner,)
    yield "ssm_dt_norm.weight", (dt,)
    yield "ssm_b_norm.weight", (state,)
    yield "ssm_c_norm.weight", (state,)
    yield "ssm_a", (state, inner)
    yield "ssm_d", (inner,)
    yield "ssm_out.weight", (inner, s.n_embd)


def _gated_delta_net(s: Shape, _kind: str) -> Parts:
    keys, values, heads = s.ssm_n_group * s.ssm_d_state, s.ssm_d_inner, s.ssm_dt_rank
    yield "attn_qkv.weight", (s.n_embd, 2 * keys + values)
    yield "attn_gate.weight", (s.n_embd, values)
    yield "ssm_conv1d.weight", (s.ssm_d_conv, 2 * keys + values)
    yield "ssm_dt.bias", (heads,)
    yield "ssm_a", (heads,)
    if s.ssm_ba:
        yield "ssm_ba.weight", (s.n_embd, 2 * heads)
    else:
        yield "ssm_alpha.weight", (s.n_embd, heads)
        yield "ssm_beta.weight", (s.n_embd, heads)
    yield "ssm_norm.weight", (s.ssm_d_state,)
    yield "ssm_out.weight", (values, s.n_embd)


def _kimi_delta_attention(s: Shape, _kind: str) -> Parts:
    d, width = s.n_embd_head_kda, s.n_embd_head_kda * s.n_head
    for part in "qkv":
        yield f"ssm_conv1d_{part}.weight", (s.ssm_d_conv, 1, width), "f32"
        yield f"attn_{part}.weight", (s.n_embd, width)
    yield "ssm_f_a.weight", (s.n_embd, d)
    yield "ssm_f_b.weight", (d, width)
    yield "ssm_beta.weight", (s.n_embd, s.n_head)
    yield "ssm_a", (1, s.n_head)
    yield "ssm_dt.bias", (width,)
    yield "ssm_g_a.weight", (s.n_embd, d)
    yield "ssm_g_b.weight", (d, width)
    yield "ssm_norm.weight", (d,)
    yield "attn_output.weight", (width, s.n_embd)


def _short_convolution(s: Shape, _kind: str) -> Parts:
    yield "shortconv.conv.weight", (s.n_shortconv_l_cache, s.n_embd)
    yield "shortconv.in_proj.weight", (s.n_embd, 3 * s.n_embd)
    yield "shortconv.out_proj.weight", (s.n_embd, s.n_embd)


MIXERS: Final[dict[str, tuple[Callable[[Shape, str], Parts], ...]]] = {
    "A": (_attention,),
    "S": (_attention,),
    "M": (_mamba2,),
    "m": (_mamba1,),
    "B": (_attention, _mamba2),
    "D": (_gated_delta_net,),
    "K": (_kimi_delta_attention,),
    "C": (_short_convolution,),
    "E": (),
}
"""By the letters of `Shape.blocks`."""
