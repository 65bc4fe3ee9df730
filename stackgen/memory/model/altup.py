"""Gemma 3n: four parallel residual streams, of which one is active in each block (gemma3n.cpp)."""

from stackgen.memory.graph.tensors import Tensor
from stackgen.memory.model.attention import attention
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.per_layer import gated_slice

SPARSE_BLOCKS = 10
"""The first blocks cut their gates off by a Gaussian threshold (`n_layer_sparsity`)."""


def widen(b: Builder, cur: Tensor) -> Tensor:
    """[embedding, tokens] to [embedding, tokens, streams]."""
    g, streams = b.g, _streams(b)
    target = _magnitude(b, cur)
    repeated = g.op((b.embd, b.n, streams - 1), cur)
    added = g.mul_mat(b.tensor("altup_proj.weight"), repeated)
    added = g.same(g.mul(added, target), _magnitude(b, added))
    return g.concat(cur, added, 2)


def narrow(b: Builder, cur: Tensor) -> Tensor:
    """Back to one stream: the mean of all."""
    g = b.g
    target = _magnitude(b, _slice(b, cur))
    rest = g.view(cur, b.embd, b.n, _streams(b) - 1, nb=cur.strides[1:3])
    back = g.mul_mat(b.tensor("altup_unembd_proj.weight"), rest)
    back = g.same(g.mul(back, target), _magnitude(b, back))
    out = _slice(b, cur)
    for _ in range(_streams(b) - 1):
        out = g.add(out, _slice(b, back))
    return g.same(out)


def altup_block(b: Builder, cur: Tensor, inputs: Tensor) -> Tensor:
    """Predict all streams, run the active one, correct all by what came out."""
    g, a = b.g, b.layer.attention
    if a is None:
        raise ValueError("a block of Gemma 3n without attention")
    predictions = _predict(b, cur)
    active = _slice(b, predictions)
    normed = b.norm(active, "attn_norm")
    laurel = b.norm(b.linear("laurel_r", b.linear("laurel_l", normed)), "laurel_post_norm")
    laurel = g.add(laurel, normed)
    out = g.add(b.norm(attention(b, normed, a), "post_attention_norm"), active)
    out = g.same(g.add(out, laurel))
    ffn = b.norm(_ffn(b, b.norm(out, "ffn_norm")), "post_ffw_norm")
    corrected = _correct(b, predictions, g.add(ffn, out))
    first = g.mul(_slice(b, corrected), b.weight("altup_correct_scale.weight"))
    first = gated_slice(b, first, inputs)
    rest = g.view(corrected, b.embd, b.n, _streams(b) - 1, nb=corrected.strides[1:3])
    return g.concat(_slice(b, corrected), g.add(rest, first), 2)


def _streams(b: Builder) -> int:
    return b.facts.number("altup.num_inputs", 4)


def _slice(b: Builder, t: Tensor) -> Tensor:
    return b.g.view(t, t.ne[0], t.ne[1], nb=(t.strides[1],))


def _magnitude(b: Builder, t: Tensor) -> Tensor:
    g = b.g
    return g.same(g.op((1, *t.ne[1:]), g.same(t)))


def _router(b: Builder, t: Tensor) -> Tensor:
    return b.g.same(b.linear("altup_router", b.g.same(b.norm(t, "altup_router_norm"))))


def _predict(b: Builder, cur: Tensor) -> Tensor:
    g, streams = b.g, _streams(b)
    coefficients = b.linear("altup_predict_coef", _router(b, _slice(b, cur)))
    coefficients = g.reshape(coefficients, streams, streams, b.n)
    out = g.mul_mat(g.cont(g.permute(cur, 1, 2, 0, 3)), coefficients)
    return g.add(g.cont(g.permute(out, 0, 2, 1, 3)), cur)


def _correct(b: Builder, predictions: Tensor, activated: Tensor) -> Tensor:
    g, streams = b.g, _streams(b)
    router = _router(b, activated)
    innovation = g.same(activated, _slice(b, predictions))
    coefficients = g.transpose(g.same(b.linear("altup_correct_coef", router)))
    coefficients = g.cont_2d(coefficients, 1, b.n, streams)
    return g.add(g.mul(g.op((b.embd, b.n, streams), innovation), coefficients), predictions)


def _ffn(b: Builder, cur: Tensor) -> Tensor:
    g = b.g
    up, gate = b.linear("ffn_up", cur), b.linear("ffn_gate", cur)
    if b.i < SPARSE_BLOCKS:
        mean = g.op((1, gate.ne[1]), gate)
        deviation = g.same(g.same(g.op((1, gate.ne[1]), g.same(g.same(gate, mean)))))
        gate = g.same(g.same(gate, g.add(mean, g.same(deviation))))
    return b.linear("ffn_down", g.mul(up, g.same(gate)))
