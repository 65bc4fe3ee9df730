"""Mixers with a fixed state: Mamba 1 and 2, gated delta nets, KDA, short convolutions."""

from collections.abc import Callable

from stackgen.domain.facts import Recurrent
from stackgen.memory.cache import rollback_rows
from stackgen.memory.graph.tensors import Tensor
from stackgen.memory.model.builder import Builder


def mixer(b: Builder, cur: Tensor) -> Tensor:
    """The block's recurrence, by its tensors."""
    if b.has("shortconv.conv.weight"):
        return short_convolution(b, cur)
    if b.has("ssm_conv1d_q.weight"):
        return kimi_delta(b, cur)
    if b.has("ssm_beta.weight") or b.has("ssm_ba.weight"):
        return delta_net(b, cur)
    return mamba1(b, cur) if b.has("ssm_x.weight") else mamba2(b, cur)


class State:
    """The states of one block in the cache, one row a sequence (`build_rs`)."""

    def __init__(self, b: Builder, elements: int) -> None:
        self.b, self.elements = b, elements
        self.cache = b.g.cache(b.cache_home, elements, b.geo.n_seq, kind="f32")

    def load(self) -> Tensor:
        """A copy of the rows of this micro-batch."""
        g, seqs = self.b.g, self.b.geo.n_seq
        self._clear()
        rows = g.get_rows(self.cache, self.b.inputs.states())
        out = g.expand(g.view(rows, self.elements, seqs))
        self._move(rows)
        return out

    def scan(self, operation: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """An operation that reads the rows in place; the other sequences' states are moved beside it."""
        g, seqs, (own, tail) = self.b.g, self.b.geo.n_seq, self.b.inputs.state_views
        self._clear()
        # Two views of the cache: where it must be copied to another place, it is copied twice.
        rows, whole = (g.view(self.cache, self.elements, seqs) for _ in range(2))
        others = g.get_rows(rows, tail)
        out = g.expand(operation(whole, own))
        self._move(others)
        return out

    def _clear(self) -> None:
        """No bytes, but it begins the block on the state's device."""
        g = self.b.g
        nothing = g.view(self.cache, 0)
        g.expand(g.copy(nothing, nothing))

    def _move(self, rows: Tensor) -> None:
        """No bytes either: states of sequences that are not in this micro-batch."""
        g = self.b.g
        g.expand(g.copy(g.view(rows, self.elements, 0), g.view(self.cache, self.elements, 0)))

    def save(self, t: Tensor) -> None:
        """Write the last states back."""
        g = self.b.g
        g.expand(g.copy(t, g.view(self.cache, self.elements, self.b.geo.n_seq)))


def sizes(b: Builder) -> Recurrent:
    """The elements of the block's state."""
    if b.layer.recurrent is None:
        raise ValueError(f"block {b.i} is not recurrent")
    return b.layer.recurrent


def sequences(b: Builder) -> tuple[int, int]:
    """(sequences, tokens of each) of the micro-batch."""
    return b.geo.n_seq, b.n // b.geo.n_seq


def _convolve(b: Builder, state: Tensor, x: Tensor, store: State, weight: str) -> Tensor:
    """Past columns and new ones side by side, then a depth-wise convolution over them."""
    g = b.g
    seqs, tokens = sequences(b)
    both = g.concat(state, g.transpose(x))
    store.save(g.view(both, state.ne[0], state.ne[1], seqs, nb=both.strides[1:3]))
    return g.op((state.ne[1], tokens, seqs), both, b.weight(weight))


def mamba1(b: Builder, cur: Tensor) -> Tensor:
    """Mamba with per-channel decay."""
    g = b.g
    seqs, tokens = sequences(b)
    inner, width = b.need("ssm.inner_size"), b.need("ssm.state_size")
    rank, taps = b.need("ssm.time_step_rank"), b.need("ssm.conv_kernel") - 1
    recurrent = sizes(b)
    convs, states = State(b, recurrent.conv), State(b, recurrent.state)
    conv = g.reshape(convs.load(), taps, inner, seqs)
    xz = b.linear("ssm_in", g.reshape(cur, cur.ne[0], tokens, seqs))
    x = g.view(xz, inner, tokens, seqs, nb=xz.strides[1:3])
    z = g.view(xz, inner, tokens, seqs, nb=xz.strides[1:3])
    x = _convolve(b, conv, x, convs, "ssm_conv1d.weight")
    x = g.same(g.add(x, b.weight("ssm_conv1d.bias")) if b.has("ssm_conv1d.bias") else x)
    x_db = b.linear("ssm_x", x)
    dt = g.view(x_db, rank, tokens, seqs, nb=x_db.strides[1:3])
    pair = [g.view(x_db, width, 1, tokens, seqs, nb=(4 * width, *x_db.strides[1:3])) for _ in range(2)]
    if b.has("ssm_dt_norm.weight"):
        dt = b.norm(dt, "ssm_dt_norm", rms=True)
        pair = [b.norm(t, name, rms=True) for t, name in zip(pair, ("ssm_b_norm", "ssm_c_norm"), strict=True)]
    else:
        dt = g.cont(dt)
    dt = b.linear("ssm_dt", dt)
    heads = g.reshape(x, 1, inner, tokens, seqs)

    def scan(rows: Tensor, ids: Tensor) -> Tensor:
        size = inner * tokens * seqs + width * inner * seqs
        return g.op((size,), rows, heads, dt, b.weight("ssm_a"), *pair, ids)

    y = states.scan(scan)
    states.save(g.view(y, width * inner * seqs))
    y = g.view(y, inner, tokens, seqs)
    y = g.add(y, g.mul(x, b.weight("ssm_d")))
    y = b.linear("ssm_out", g.own(g.cont(z), y))
    return g.reshape(y, y.ne[0], b.n)


def mamba2(b: Builder, cur: Tensor) -> Tensor:
    """Mamba 2: heads that share their decay."""
    g = b.g
    seqs, tokens = sequences(b)
    inner, width = b.need("ssm.inner_size"), b.need("ssm.state_size")
    heads, groups = b.need("ssm.time_step_rank"), b.need("ssm.group_count")
    taps, channels = b.need("ssm.conv_kernel") - 1, inner + 2 * groups * width
    recurrent = sizes(b)
    convs, states = State(b, recurrent.conv), State(b, recurrent.state)
    conv = g.reshape(convs.load(), taps, channels, seqs)
    both = b.linear("ssm_in", cur)
    both = g.reshape(both, both.ne[0], tokens, seqs)
    head = inner // heads
    z = g.view(both, head, heads, tokens, seqs, nb=(4 * head, *both.strides[1:3]))
    x_bc = g.view(both, channels, tokens, seqs, nb=both.strides[1:3])
    dt = g.view(both, heads, tokens, seqs, nb=both.strides[1:3])
    x_bc = _convolve(b, conv, x_bc, convs, "ssm_conv1d.weight")
    x_bc = g.same(g.add(x_bc, b.weight("ssm_conv1d.bias")) if b.has("ssm_conv1d.bias") else x_bc)
    x = g.view(x_bc, head, heads, tokens, seqs, nb=(4 * head, *x_bc.strides[1:3]))
    pair = [g.view(x_bc, width, groups, tokens, seqs, nb=(4 * width, *x_bc.strides[1:3])) for _ in range(2)]
    dt = g.add(g.cont(dt), b.weight("ssm_dt.bias"))

    def scan(rows: Tensor, ids: Tensor) -> Tensor:
        size = inner * tokens * seqs + (1 + rollback_rows(b.params)) * width * inner * seqs
        return g.op((size,), rows, x, dt, b.weight("ssm_a"), *pair, ids)

    y = states.scan(scan)
    states.save(g.view(y, width * inner, seqs))
    y = g.view(
        y, head, heads, tokens, seqs, nb=(x.strides[1], heads * x.strides[1], tokens * heads * x.strides[1])
    )
    y = g.add(y, g.mul(x, b.weight("ssm_d")))
    y = g.own(g.cont(z), y)
    if b.has("ssm_norm.weight"):
        y = b.norm(g.reshape(y, inner // groups, groups, tokens, seqs), "ssm_norm", rms=True)
    return b.linear("ssm_out", g.reshape(y, inner, b.n))


def delta_net(b: Builder, cur: Tensor) -> Tensor:
    """Gated delta net (Qwen3-Next, Qwen3.5)."""
    g = b.g
    seqs, tokens = sequences(b)
    inner, width = b.need("ssm.inner_size"), b.need("ssm.state_size")
    k_heads, v_heads = b.need("ssm.group_count"), b.need("ssm.time_step_rank")
    head, channels = inner // v_heads, inner + 2 * k_heads * width
    recurrent = sizes(b)
    convs, states = State(b, recurrent.conv), State(b, recurrent.state)
    qkv = b.linear("attn_qkv", cur)
    qkv = g.reshape(qkv, qkv.ne[0], tokens, seqs)
    z = b.linear("attn_gate", cur)
    combined = b.has("ssm_ba.weight")
    beta, gate = _gates_combined(b, cur, k_heads, v_heads) if combined else _gates(b, cur, v_heads)
    conv = g.reshape(convs.load(), b.need("ssm.conv_kernel") - 1, channels, seqs)
    both = g.concat(conv, g.transpose(qkv))
    convs.save(g.view(both, conv.ne[0], channels, seqs, nb=both.strides[1:3]))
    state = g.reshape(states.load(), head, head, v_heads, seqs)
    mixed = g.same(g.op((channels, tokens, seqs), both, b.weight("ssm_conv1d.weight")))
    nb = (4 * channels, 4 * channels * tokens)
    q, k = (g.view(mixed, width, k_heads, tokens, seqs, nb=(4 * width, *nb)) for _ in range(2))
    v = g.view(mixed, head, v_heads, tokens, seqs, nb=(4 * head, *nb))
    q, k = (g.same(g.same(t)) for t in (q, k))
    if combined and k_heads != v_heads:  # Qwen3-Next repeats them, Qwen3.5 leaves it to the operation
        q, k = (
            g.reshape(g.op((width, v_heads // k_heads, k_heads, b.n), g.reshape(t, width, 1, k_heads, b.n)),
                      width, v_heads, tokens, seqs)
            for t in (q, k)
        )  # fmt: skip
    out, last = _delta(b, q, k, v, gate, beta, state)
    states.save(last)
    z = g.reshape(z, head, v_heads, tokens, seqs)
    y = g.mul(b.norm(out, "ssm_norm", rms=True), g.same(z))
    y = b.linear("ssm_out", g.reshape(y, inner, tokens, seqs))
    return g.reshape(y, y.ne[0], b.n)


def _delta(
    b: Builder, q: Tensor, k: Tensor, v: Tensor, gate: Tensor, beta: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """One fused operation whose result holds outputs and new states."""
    g, (head, heads, tokens, seqs) = b.g, v.ne
    snapshots = 1 + rollback_rows(b.params)
    result = g.op((head * heads, tokens * seqs + snapshots * head * seqs), q, k, v, gate, beta, state)
    return g.view(result, head, heads, tokens, seqs), g.view(result, head, head, heads, seqs)


def _gates(b: Builder, cur: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    g = b.g
    seqs, tokens = sequences(b)
    beta = g.same(g.reshape(b.linear("ssm_beta", cur), 1, heads, tokens, seqs))
    alpha = g.reshape(b.linear("ssm_alpha", cur), heads, tokens, seqs)
    alpha = g.same(g.add(alpha, b.weight("ssm_dt.bias")))
    return beta, g.reshape(g.mul(alpha, b.weight("ssm_a")), 1, heads, tokens, seqs)


def _gates_combined(b: Builder, cur: Tensor, k_heads: int, v_heads: int) -> tuple[Tensor, Tensor]:
    g = b.g
    seqs, tokens = sequences(b)
    each = v_heads // k_heads
    ba = g.reshape(b.linear("ssm_ba", cur), 2 * each, k_heads, tokens, seqs)
    beta = g.cont(g.view(ba, each, k_heads, tokens, seqs, nb=ba.strides[1:]))
    alpha = g.cont_2d(g.view(ba, each, k_heads, tokens, seqs, nb=ba.strides[1:]), v_heads, tokens, seqs)
    beta = g.reshape(g.same(beta), 1, v_heads, tokens, seqs)
    alpha = g.same(g.add(alpha, b.weight("ssm_dt.bias")))
    return beta, g.reshape(g.mul(alpha, b.weight("ssm_a")), 1, v_heads, tokens, seqs)


def kimi_delta(b: Builder, cur: Tensor) -> Tensor:
    """Kimi delta attention: three convolutions, a gate per channel (kimi-linear.cpp)."""
    g = b.g
    seqs, tokens = sequences(b)
    head = b.need("kda.head_dim")
    recurrent = sizes(b)
    heads = recurrent.state // (head * head)
    inner, taps = head * heads, recurrent.conv // (3 * head * heads)
    convs, states = State(b, recurrent.conv), State(b, recurrent.state)
    past = convs.load()
    q, k, v = (_kimi_convolution(b, cur, past, convs, which, (head, heads, taps)) for which in "qkv")
    decay = b.linear("ssm_f_b", b.linear("ssm_f_a", cur))
    decay = g.same(g.add(decay, b.weight("ssm_dt.bias")))
    decay = g.mul(g.reshape(decay, head, heads, b.n), g.reshape(b.weight("ssm_a"), 1, heads))
    decay = g.reshape(decay, head, heads, tokens, seqs)
    beta = g.same(g.reshape(b.linear("ssm_beta", cur), 1, heads, tokens, seqs))
    state = g.reshape(states.load(), head, head, heads, seqs)
    q, k = (g.same(g.same(t)) for t in (q, k))
    out, last = _delta(b, q, k, v, decay, beta, state)
    out = g.cont(out)
    states.save(last)
    gate = g.reshape(b.linear("ssm_g_b", b.linear("ssm_g_a", cur)), head, heads, b.n)
    y = g.mul(b.norm(g.reshape(out, head, heads, b.n), "ssm_norm", rms=True), g.same(gate))
    return b.linear("attn_output", g.cont_2d(y, inner, b.n))


def _kimi_convolution(
    b: Builder, cur: Tensor, past: Tensor, convs: State, which: str, shape: tuple[int, int, int]
) -> Tensor:
    g, (head, heads, taps) = b.g, shape
    seqs, tokens = sequences(b)
    inner = head * heads
    state = g.view(past, taps, inner, seqs, nb=(4 * taps, past.strides[1]))
    x = g.reshape(b.linear(f"attn_{which}", cur), inner, tokens, seqs)
    both = g.concat(state, g.transpose(x))
    last = g.view(both, taps, inner, seqs, nb=both.strides[1:3])
    g.expand(g.copy(last, g.view(convs.cache, taps, inner, seqs)))
    weight = g.reshape(b.weight(f"ssm_conv1d_{which}.weight"), taps + 1, inner)
    out = g.op((inner, tokens, seqs), both, weight)
    return g.reshape(g.same(g.reshape(out, inner, b.n)), head, heads, tokens, seqs)


def short_convolution(b: Builder, cur: Tensor) -> Tensor:
    """LFM2's gated short convolution."""
    g = b.g
    seqs, tokens = sequences(b)
    recurrent = sizes(b)
    states = State(b, recurrent.conv)
    embd = cur.ne[0]
    bcx = b.linear("shortconv.in_proj", g.reshape(cur, embd, tokens, seqs))
    width = bcx.ne[0] // 3
    left, gate, x = (g.view(bcx, width, tokens, seqs, nb=bcx.strides[1:3]) for _ in range(3))
    product = g.transpose(g.mul(left, x))
    past = g.reshape(states.load(), recurrent.conv // embd, embd, seqs)
    both = g.concat(past, product)
    states.save(g.view(both, past.ne[0], embd, seqs, nb=both.strides[1:3]))
    out = g.op((embd, tokens, seqs), both, b.weight("shortconv.conv.weight"))
    y = b.linear("shortconv.out_proj", g.mul(gate, out))
    return g.reshape(y, y.ne[0], b.n)
