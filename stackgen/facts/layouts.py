"""Which tensors a model of a given shape consists of, under their names in a GGUF file."""

from collections.abc import Callable
from typing import Final, NamedTuple

from stackgen.facts.mixers import MIXERS, Parts
from stackgen.facts.shapes import Shape


class Tensor(NamedTuple):
    """A tensor before quantization: `block` -1 = of no block, `type` "" = as the quantization decides."""

    block: int
    name: str
    shape: tuple[int, ...]
    type: str = ""


def tensors(shape: Shape) -> list[Tensor]:
    """All tensors, those of no block first."""
    extra = _EXTRA.get(shape.extra)
    found = [Tensor(-1, *part) for part in _top(shape)]
    if extra:
        found += [Tensor(-1, *part) for part in extra[0](shape)]
    for i in range(shape.n_layer):
        found += [Tensor(i, *part) for part in _block(shape, i)]
        if extra:
            found += [Tensor(i, *part) for part in extra[1](shape, i)]
    return found


def _top(s: Shape) -> Parts:
    yield "token_embd.weight", (s.n_embd, s.n_vocab)
    if not s.tied:
        yield "output.weight", (s.n_embd, s.n_vocab)
    if s.output_norm:
        yield f"{s.output_norm}.weight", (s.n_embd,)
    if s.rope_freqs:
        yield "rope_freqs.weight", (s.rope_freqs,)


def _block(s: Shape, i: int) -> Parts:
    for norm in s.norms:
        yield f"{norm}.weight", (s.n_embd,)
        if s.norm_bias:
            yield f"{norm}.bias", (s.n_embd,)
    kind = s.kind(i)
    for mixer in MIXERS[kind]:
        yield from mixer(s, kind)
    experts = s.has_experts(i)
    if s.n_ff and not s.lone and (not experts or s.dense_beside):
        yield from _feed_forward(s, s.ff(i))
    if experts:
        yield from _experts(s)
    if i >= s.n_layer - s.n_layer_nextn:
        yield from _prediction(s)


def _feed_forward(s: Shape, width: int) -> Parts:
    if s.ffn_gate and not s.ffn_fused:
        yield "ffn_gate.weight", (s.n_embd, width)
    yield "ffn_up.weight", (s.n_embd, 2 * width if s.ffn_fused else width)
    yield "ffn_down.weight", (width, s.n_embd)
    if s.ffn_bias:
        yield "ffn_up.bias", (width,)
        yield "ffn_down.bias", (s.n_embd,)


def _experts(s: Shape) -> Parts:
    e, n, width = s.n_embd, s.n_expert, s.n_ff_exp or s.n_ff
    yield "ffn_gate_inp.weight", (e, n)
    if s.exp_probs_b:
        yield "exp_probs_b.bias", (n,)
    if s.exp_fused:
        yield "ffn_gate_up_exps.weight", (e, 2 * width, n), s.exp_type
    else:
        if s.ffn_gate:
            yield "ffn_gate_exps.weight", (e, width, n), s.exp_type
        yield "ffn_up_exps.weight", (e, width, n), s.exp_type
    yield "ffn_down_exps.weight", (width, e, n), s.exp_type
    if s.exp_bias:
        yield "ffn_gate_inp.bias", (n,)
        yield from (("ffn_gate_exps.bias", (width, n)), ("ffn_up_exps.bias", (width, n)))
        yield "ffn_down_exps.bias", (e, n)
    if s.n_ff_shexp:
        if s.shexp_gate:
            yield "ffn_gate_inp_shexp.weight", (e,)
        if s.ffn_gate:
            yield "ffn_gate_shexp.weight", (e, s.n_ff_shexp)
        yield "ffn_up_shexp.weight", (e, s.n_ff_shexp)
        yield "ffn_down_shexp.weight", (s.n_ff_shexp, e)


def _prediction(s: Shape) -> Parts:
    """What a prediction block (MTP) has beyond a block of the trunk."""
    yield "nextn.eh_proj.weight", (2 * s.n_embd, s.n_embd)
    yield "nextn.enorm.weight", (s.n_embd,)
    yield "nextn.hnorm.weight", (s.n_embd,)
    yield "nextn.shared_head_norm.weight", (s.n_embd,)


def _nothing(_s: Shape) -> Parts:
    yield from ()


def _bert(s: Shape) -> Parts:
    """Embeddings of an encoder; learned positions where the context is their number."""
    yield "token_types.weight", (s.n_embd, 2)
    if not s.rope_freq_base:
        yield "position_embd.weight", (s.n_embd, s.n_ctx_train)
    yield "token_embd_norm.weight", (s.n_embd,)
    yield "token_embd_norm.bias", (s.n_embd,)


def _no_block(_s: Shape, _i: int) -> Parts:
    yield from ()


def _glm_prediction(s: Shape, i: int) -> Parts:
    """GLM's prediction block brings its own embedding and output matrix."""
    if i >= s.n_layer - s.n_layer_nextn:
        yield "nextn.embed_tokens.weight", (s.n_embd, s.n_vocab)
        yield "nextn.shared_head_head.weight", (s.n_embd, s.n_vocab)


def _falcon_h1_block(s: Shape, _i: int) -> Parts:
    yield "ffn_norm", (s.n_embd,)  # llama.cpp asks for it without a suffix


def _per_layer_embedding(s: Shape) -> Parts:
    if width := s.n_embd_per_layer * s.n_layer:
        yield "per_layer_token_embd.weight", (width, s.n_vocab)
        yield "per_layer_model_proj.weight", (s.n_embd, width), "bf16"
        yield "per_layer_proj_norm.weight", (s.n_embd_per_layer,)


def _gemma3n(s: Shape) -> Parts:
    yield "altup_proj.weight", (s.n_embd, s.n_embd, 3), "f16"
    yield "altup_unembd_proj.weight", (s.n_embd, s.n_embd, 3), "f16"
    yield from _per_layer_embedding(s)


def _gemma3n_block(s: Shape, _i: int) -> Parts:
    """Alternating updates over 4 streams, and learned augmented residuals of rank 64."""
    yield "inp_gate.weight", (s.n_embd, s.n_embd_per_layer)
    yield "proj.weight", (s.n_embd_per_layer, s.n_embd)
    yield "altup_correct_coef.weight", (4, 4), "f32"
    yield "altup_correct_scale.weight", (s.n_embd,)
    yield "altup_predict_coef.weight", (4, 16), "f32"
    yield "altup_router.weight", (s.n_embd, 4), "f16"
    yield "laurel_l.weight", (s.n_embd, 64), "f16"
    yield "laurel_r.weight", (64, s.n_embd), "f16"


def _gemma4_block(s: Shape, _i: int) -> Parts:
    yield "layer_output_scale.weight", (1,)
    if s.n_expert:
        yield "ffn_gate_inp.scale", (s.n_embd,)
        for norm in ("pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"):
            yield f"{norm}.weight", (s.n_embd,)
        yield "ffn_down_exps.scale", (s.n_expert,)
    if s.n_embd_per_layer:
        yield "inp_gate.weight", (s.n_embd, s.n_embd_per_layer), "f32"
        yield "proj.weight", (s.n_embd_per_layer, s.n_embd), "f32"
        yield "post_norm.weight", (s.n_embd,)


_EXTRA: Final[dict[str, tuple[Callable[[Shape], Parts], Callable[[Shape, int], Parts]]]] = {
    "bert": (_bert, _no_block),
    "glm_nextn": (_nothing, _glm_prediction),
    "falcon_h1": (_nothing, _falcon_h1_block),
    "gemma3n": (_gemma3n, _gemma3n_block),
    "gemma4": (_per_layer_embedding, _gemma4_block),
}
