"""RWKV 6 and 7, and the Qwen models converted to them: time mixing over a matrix state, then channel mixing."""

from collections.abc import Callable

from stackgen.memory.graph.tensors import Tensor
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.recurrence import State, sequences, sizes


def rwkv_block(b: Builder, x: Tensor, *, last: bool) -> Tensor:
    """A whole block; with a feed-forward network of its own kind, or an ordinary one (`rwkv6qwen2`, `arwkv7`)."""
    g, embd = b.g, b.embd
    seqs, tokens = sequences(b)
    shifts = State(b, sizes(b).conv)
    x = g.reshape(x, embd, tokens, seqs)
    past = g.reshape(shifts.load(), embd, sizes(b).conv // embd, seqs)
    own_ffn = b.has("channel_mix_key.weight")
    normed = b.norm(x, "attn_norm")
    before = _shifted(b, _first(b, past) if own_ffn else past, normed)
    mix = _time_mix_7 if b.has("time_mix_a1.weight") else _time_mix_6
    cur = mix(b, normed, before)
    if not own_ffn:
        shifts.save(_last_token(b, normed))
        x = g.reshape(g.add(cur, x), embd, b.n)
        if last:
            (x,) = b.pick_outputs(x)
        return g.add(b.ffn(b.norm(x, "ffn_norm")), x)
    x = g.add(cur, x)
    ffn_normed = b.norm(x, "attn_norm_2")
    before = _shifted(b, _first(b, past), ffn_normed)
    shifts.save(g.concat(_last_token(b, normed), _last_token(b, ffn_normed), 1))
    x, cur, before = (g.reshape(t, embd, b.n) for t in (x, ffn_normed, before))
    if last:
        x, cur, before = b.pick_outputs(x, cur, before)
    return g.add(_channel_mix(b, cur, before), x)


def _first(b: Builder, past: Tensor) -> Tensor:
    """One of the two token rows that are kept."""
    return b.g.view(past, past.ne[0], 1, past.ne[2], nb=past.strides[1:3])


def _shifted(b: Builder, past: Tensor, cur: Tensor) -> Tensor:
    """Every token's predecessor."""
    embd, tokens, seqs, _ = cur.ne
    return b.g.concat(past, b.g.view(cur, embd, tokens - 1, seqs, nb=cur.strides[1:3]), 1)


def _last_token(b: Builder, cur: Tensor) -> Tensor:
    return b.g.view(cur, cur.ne[0], 1, cur.ne[2], nb=cur.strides[1:3])


def _channel_mix(b: Builder, cur: Tensor, before: Tensor) -> Tensor:
    g = b.g
    change = g.same(before, cur)

    def mixed(which: str) -> Tensor:
        return g.add(g.mul(change, b.weight(f"channel_mix_lerp_{which}.weight")), cur)

    gate = None
    if b.has("channel_mix_receptance.weight"):
        gate = mixed("r")
    key = b.linear("channel_mix_key", mixed("k"))
    value = b.linear("channel_mix_value", g.same(g.same(key)))
    return value if gate is None else g.mul(g.same(b.linear("channel_mix_receptance", gate)), value)


def _time_mix_7(b: Builder, cur: Tensor, before: Tensor) -> Tensor:
    """`build_rwkv7_time_mix`: low-rank decay, in-context learning rate, value residual and gate."""
    g, embd = b.g, b.embd
    head = b.need("wkv.head_size")
    heads = embd // head
    gated = b.has("time_mix_g1.weight")
    change = g.op((*cur.ne[:3], 6 if gated else 5), g.same(before, cur))
    mixed = g.add(g.mul(change, b.weight("time_mix_lerp_fused.weight")), cur)
    r, w, k, v, a = (g.view(mixed, embd, b.n, nb=mixed.strides[1:2]) for _ in range(5))
    gate_input = g.view(mixed, embd, b.n, nb=mixed.strides[1:2])
    value_input, rate_input = v, a

    def low_rank(which: str, t: Tensor, *, squashed: bool = False) -> Tensor:
        inner = g.mul_mat(b.weight(f"time_mix_{which}1.weight"), t)
        return g.mul_mat(b.weight(f"time_mix_{which}2.weight"), g.same(inner) if squashed else inner)

    r = b.linear("time_mix_receptance", r)
    w = g.add(low_rank("w", w, squashed=True), b.weight("time_mix_w0.weight"))
    w = g.same(g.same(g.same(w)))
    k = b.linear("time_mix_key", k)
    v = b.linear("time_mix_value", v)
    if b.first_value is None:
        b.first_value = v
    else:
        share = g.same(g.add(low_rank("v", value_input), b.weight("time_mix_v0.weight")))
        v = g.add(v, g.mul(g.same(b.first_value, v), share))
    a = g.same(g.add(low_rank("a", rate_input), b.weight("time_mix_a0.weight")))
    kk = g.own(g.reshape(g.mul(k, b.weight("time_mix_k_k.weight")), head, heads, b.n))
    ka = g.mul(k, b.weight("time_mix_k_a.weight"))
    k = g.add(k, g.same(g.mul(a, ka), ka))
    r, w, k, v, a = (g.reshape(t, head, heads, b.n) for t in (r, w, k, v, a))
    cur = _attend(b, lambda state: (r, w, k, v, g.same(kk), g.mul(kk, a), state))
    normed = b.has("time_mix_ln.weight")
    cur = _group_norm(b, cur, head, heads) if normed else g.reshape(cur, embd, b.n)
    weights = g.reshape(b.weight("time_mix_r_k.weight"), head, heads)
    bonus = g.op((1, heads, b.n), g.mul(g.mul(k, r), weights))
    cur = g.add(cur, g.reshape(g.mul(v, bonus), embd, b.n))
    if gated:
        cur = g.mul(cur, low_rank("g", gate_input, squashed=True))
    return g.reshape(b.linear("time_mix_output", cur), *before.ne[:3])


def _time_mix_6(b: Builder, cur: Tensor, before: Tensor) -> Tensor:
    """`build_rwkv6_time_mix`: five interpolations from one low-rank product."""
    g, embd = b.g, b.embd
    shape = cur.ne[:3]
    head = b.need("wkv.head_size")
    heads = embd // head
    change = g.reshape(g.same(before, cur), embd, b.n)
    cur = g.reshape(cur, embd, b.n)
    mixed = g.add(g.mul(change, b.weight("time_mix_lerp_x.weight")), cur)
    rank = b.w["time_mix_w1.weight"].shape[1] // 5
    mixed = g.reshape(g.same(g.mul_mat(b.weight("time_mix_w1.weight"), mixed)), rank, 1, 5, b.n)
    mixed = g.cont(g.permute(mixed, 0, 1, 3, 2))
    second = g.reshape(b.weight("time_mix_w2.weight"), rank, embd, 1, 5)
    mixed = g.mul_mat(second, mixed)
    parts: list[Tensor] = []
    if b.has("time_mix_lerp_fused.weight"):
        change, cur = g.reshape(change, embd, 1, b.n), g.reshape(cur, embd, 1, b.n)
        mixed = g.add(g.mul(g.add(mixed, b.weight("time_mix_lerp_fused.weight")), change), cur)
        parts = [g.view(mixed, embd, b.n, nb=mixed.strides[1:2]) for _ in range(5)]
    else:  # files of old
        for which in "wkvrg":
            part = g.view(mixed, embd, b.n, nb=mixed.strides[1:2])
            part = g.add(part, b.weight(f"time_mix_lerp_{which}.weight"))
            parts.append(g.add(g.mul(part, change), cur))
    w, k, v, r, gate = parts
    r, k, v = b.linear("time_mix_receptance", r), b.linear("time_mix_key", k), b.linear("time_mix_value", v)
    gate = g.same(b.linear("time_mix_gate", gate))
    if (heads_kv := k.ne[0] // head) != heads:
        k, v = (
            g.op((head, heads // heads_kv, heads_kv, b.n), g.reshape(t, head, 1, heads_kv, b.n))
            for t in (k, v)
        )
    k, v, r = (g.reshape(t, head, heads, b.n) for t in (k, v, r))
    w = g.mul_mat(b.weight("time_mix_decay_w1.weight"), w)
    w = g.add(g.mul_mat(b.weight("time_mix_decay_w2.weight"), g.same(w)), b.weight("time_mix_decay.weight"))
    w = g.reshape(g.same(g.same(g.same(w))), head, heads, b.n)
    first = b.maybe("time_mix_first.weight")
    if first is None:
        k = g.same(k, g.mul(k, w))
        cur = g.reshape(_attend(b, lambda state: (k, v, r, w, state)), embd, b.n)
    else:
        cur = _group_norm(b, _attend(b, lambda state: (k, v, r, first, w, state)), head, heads)
    cur = b.linear("time_mix_output", g.mul(cur, gate))
    return g.reshape(cur, *shape)


def _attend(b: Builder, operands: Callable[[Tensor], tuple[Tensor, ...]]) -> Tensor:
    """The recurrence: one operation whose result holds the outputs and the new states."""
    g, embd = b.g, b.embd
    seqs, _ = sequences(b)
    head = b.need("wkv.head_size")
    states = State(b, sizes(b).state)
    out = g.op((embd, b.n + head * seqs), *operands(states.load()))
    cur = g.view(out, embd * b.n)
    states.save(g.view(out, embd * head * seqs))
    return cur


def _group_norm(b: Builder, cur: Tensor, head: int, heads: int) -> Tensor:
    cur = b.g.own(b.g.reshape(cur, head, heads, b.n))
    cur = b.g.mul(b.g.reshape(cur, b.embd, b.n), b.weight("time_mix_ln.weight"))
    return b.g.add(cur, b.weight("time_mix_ln.bias"))
