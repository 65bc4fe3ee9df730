"""Attention over a cache: separate or fused projections, grouped heads, windows, MLA (`build_attn`)."""

from stackgen.domain.facts import Attention
from stackgen.memory.graph.tensors import Tensor
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.sparse import chosen_mask


def attention(b: Builder, cur: Tensor, a: Attention) -> Tensor:
    """The block's attention with its output projection."""
    if b.has("attn_kv_a_mqa.weight"):
        return latent(b, cur, a)
    if b.has("attn_q.weight") and b.w["attn_q.weight"].shape[1] == 2 * a.heads * a.key_length:
        return gated(b, cur, a)
    if b.has("attn_qkv.weight"):
        q, k, v = fused(b, cur, a)
    else:
        q, k, v = separate(b, cur, a)
    if not b.has("attn_gate.weight"):
        return attend(b, q, k, v, a)
    gate = b.linear("attn_gate", cur)
    return project(b, b.g.mul(attend(b, q, k, v, a, final=False), b.g.same(gate)))


def separate(b: Builder, cur: Tensor, a: Attention) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Three matrices; a layer that reads another's cache has only the first."""
    g, n = b.g, b.n
    q = b.linear("attn_q", cur)
    own = a.cached or "no_cache" in b.facts.traits
    k = b.linear("attn_k", cur) if own else None
    v = (b.linear("attn_v", cur) if b.has("attn_v.weight") else k) if k is not None else None
    wide = b.has("attn_q_norm.weight") and b.w["attn_q_norm.weight"].shape[0] != a.key_length
    if wide:  # the norm spans all heads, so it comes before they are told apart
        q = b.norm(q, "attn_q_norm")
        k = b.norm(k, "attn_k_norm") if k is not None else None
    q = g.reshape(q, a.key_length, a.heads, n)
    k = g.reshape(k, a.key_length, a.heads_kv, n) if k is not None else None
    v = g.reshape(v, a.value_length, a.heads_kv, n) if v is not None else None
    return _normed(b, q, k, v, a.window, wide=wide)


def gated(b: Builder, cur: Tensor, a: Attention) -> Tensor:
    """A query matrix of double width whose other half gates the result (Qwen3-Next)."""
    g, n = b.g, b.n
    both = b.linear("attn_q", cur)
    k, v = b.linear("attn_k", cur), b.linear("attn_v", cur)
    both = g.reshape(both, 2 * a.key_length, a.heads, n)
    q = g.view(both, a.key_length, a.heads, n, nb=both.strides[1:3])
    gate = g.view(both, a.key_length, a.heads, n, nb=both.strides[1:3])
    k, v = g.reshape(k, a.key_length, a.heads_kv, n), g.reshape(v, a.value_length, a.heads_kv, n)
    q = b.norm(q, "attn_q_norm")
    k = b.norm(k, "attn_k_norm")
    q, k = b.g.rope(q, b.inputs.positions), b.g.rope(k, b.inputs.positions)
    out = attend(b, q, k, v, a, final=False)
    gate = g.same(g.cont_2d(gate, a.key_length * a.heads, n))
    return project(b, g.mul(out, gate))


def fused(b: Builder, cur: Tensor, a: Attention) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """One matrix for all three, told apart by views."""
    g, n = b.g, b.n
    qkv = b.linear("attn_qkv", cur)
    row = 4 * qkv.ne[0]
    q = g.view(qkv, a.key_length, a.heads, n, nb=(4 * a.key_length, row))
    k = g.view(qkv, a.key_length, a.heads_kv, n, nb=(4 * a.key_length, row))
    v = g.view(qkv, a.value_length, a.heads_kv, n, nb=(4 * a.value_length, row))
    return _normed(b, q, k, v, a.window, wide=False)


def _normed(
    b: Builder, q: Tensor, k: Tensor | None, v: Tensor | None, window: int | None, *, wide: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    if b.has("attn_q_norm.weight") and not wide:
        q = b.norm(q, "attn_q_norm")
        k = b.norm(k, "attn_k_norm") if k is not None and b.has("attn_k_norm.weight") else k
    if "normed_values" in b.facts.traits and v is not None:
        v = b.g.same(v)
    if has_rope(b, window):
        q = b.g.rope(q, b.inputs.positions)
        k = b.g.rope(k, b.inputs.positions) if k is not None else None
    if "scaled_queries" in b.facts.traits:
        q = b.g.same(q)
    return q, k, v


def has_rope(b: Builder, window: int | None) -> bool:
    """Whether this block turns queries and keys by their positions."""
    traits = b.facts.traits
    if "no_rope" in traits or ("rope_not_every_4th" in traits and (b.i + 1) % 4 == 0):
        return False
    return "rope_in_windows" not in traits or window is not None or not b.has_windows


def rotated(b: Builder, t: Tensor, matrix: Tensor | None) -> Tensor:
    """Spread outliers over a head before it is quantised."""
    if matrix is None:
        return t
    g, n = b.g, matrix.ne[0]
    rows = t.ne[0] * t.ne[1] * t.ne[2] * t.ne[3] // n
    flat = g.reshape(t, n, rows) if t.nb is None else g.cont_2d(t, n, rows)
    return g.reshape(g.mul_mat(matrix, flat), *t.ne)


def attend(
    b: Builder, q: Tensor, k: Tensor | None, v: Tensor | None, a: Attention, *, final: bool = True
) -> Tensor:
    """Write keys and values to the cache, attend to all of it; `final`: project as well."""
    g = b.g
    k_rot = v_rot = None
    cached = "no_cache" not in b.facts.traits
    if cached:
        k_rot = b.inputs.rotation("k", a.window, b.params.type_k, a.key_length)
        v_rot = b.inputs.rotation("v", a.window, b.params.type_v, a.value_length)
    q = rotated(b, q, k_rot)
    k = rotated(b, k, k_rot) if k is not None else None
    v = rotated(b, v, v_rot) if v is not None else None
    g.expand(q)
    for t in (v, k) if cached and not b.has_windows else (k, v):
        if t is not None:
            g.expand(t)
    if cached:
        keys, values = store(b, k, v, a)
    elif k is None or v is None:
        raise ValueError("attention without keys and values of its own, and without a cache")
    else:
        keys, values = k, v
    out = multi_head(b, q, keys, values, a)
    out = rotated(b, out, v_rot)
    return project(b, out) if final else out


def project(b: Builder, out: Tensor) -> Tensor:
    """The output matrix, where there is one."""
    return b.linear("attn_output", out) if b.has("attn_output.weight") else out


def store(b: Builder, k: Tensor | None, v: Tensor | None, a: Attention) -> tuple[Tensor, Tensor]:
    """Append to the cache; returns views of all its keys and values."""
    g, n, cells, streams = b.g, b.n, b.cells(a.window), b.geo.n_stream
    wide_k, wide_v = a.heads_kv * a.key_length, a.heads_kv * a.value_length
    home = b.cache_home if a.cached else b.shared_cache_home(a)
    cache_k = g.cache(home, wide_k, cells, streams, kind=b.params.type_k)
    cache_v = g.cache(home, wide_v, cells, streams, kind=b.params.type_v)
    if k is not None and a.cached:
        g.expand(
            g.set_rows(cache_k, g.view(k, wide_k, n, nb=(k.strides[2],)), b.inputs.cache_rows("k", a.window))
        )
    if v is not None and a.cached:
        g.expand(_store_v(b, cache_v, v, a))
    keys = g.view(cache_k, a.key_length, a.heads_kv, cells, streams)
    values = g.view(cache_v, a.value_length, a.heads_kv, cells, streams)
    return keys, values


def _store_v(b: Builder, cache_v: Tensor, v: Tensor, a: Attention) -> Tensor:
    g, n, wide = b.g, b.n, a.heads_kv * a.value_length
    if b.geo.flash_attn:
        rows = g.view(v, wide, n, nb=(v.strides[2],))
        return g.set_rows(cache_v, rows, b.inputs.cache_rows("v", a.window))
    # Transposed: every element is a row of its own, and all layers are as wide as the widest.
    flat = g.reshape(v, wide, n) if v.strides[2] == 4 * wide else g.cont_2d(v, wide, n)
    widest = b.widest_v
    if wide < widest:
        flat = g.op((widest, n), flat)
    return g.set_rows(cache_v, g.reshape(flat, 1, n * widest), b.inputs.cache_rows("v", a.window, widest))


def multi_head(
    b: Builder,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Attention,
    *,
    v_b: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Flash attention, or scores, softmax and values step by step (`build_attn_mha`)."""
    g, streams = b.g, k.ne[3]
    mask = b.inputs.mask(a.window) if mask is None else mask
    sinks = b.maybe("attn_sinks.weight")  # a row of scores that attracts what attends to nothing
    tokens = q.ne[2] // streams
    nb = q.strides
    q = g.view(q, q.ne[0], q.ne[1], tokens, streams, nb=(nb[1], nb[2], nb[2] * tokens))
    q, k, v = (g.permute(t, 0, 2, 1, 3) for t in (q, k, v))
    if b.inputs.flash_attn:
        # Flash attention reads f16 or quantised keys and values.
        k, v = (g.own(t, kind="f16") if t.type == "f32" else t for t in (k, v))
        out = g.flash_attn(q, k, v, mask, sinks)
        out.wanted = b.home
        if v_b is not None:
            out = g.mul_mat(v_b, g.permute(out, 0, 2, 1, 3))
            out = g.cont(g.permute(out, 0, 2, 1, 3))
        out = g.reshape(out, out.ne[0] * out.ne[1], out.ne[2] * out.ne[3])
    else:
        scores = g.mul_mat(k, q)
        scores = g.soft_max(scores, mask, sinks)
        if "no_cache" in b.facts.traits or b.facts.is_mla or b.geo.flash_attn:
            v = g.cont(g.transpose(v))  # the cache is not stored transposed
        else:
            v = g.transpose(v)
        out = g.mul_mat(v, scores)
        if v_b is not None:
            out = g.mul_mat(v_b, out)
        out = g.permute(out, 0, 2, 1, 3)
        out = g.cont_2d(out, out.ne[0] * out.ne[1], out.ne[2] * out.ne[3])
    return g.expand(out)


def latent(b: Builder, cur: Tensor, a: Attention) -> Tensor:
    """Multi-head latent attention with absorbed up-projections: one compressed row a token (deepseek2.cpp)."""
    g, n, heads = b.g, b.n, a.heads
    rank = b.facts.number("attention.kv_lora_rank")
    if b.has("attn_q_a.weight"):
        small = b.norm(b.linear("attn_q_a", cur), "attn_q_a_norm")
        mask = chosen_mask(b, cur, small, a)
        q = b.linear("attn_q_b", small)
    else:
        q, mask = b.linear("attn_q", cur), None
    length = q.ne[0] // heads
    q = g.reshape(q, length, heads, n)
    both = b.linear("attn_kv_a_mqa", cur)
    rotary = both.ne[0] - rank
    plain = length - rotary
    compressed = g.view(both, rank, n, nb=(4 * both.ne[0],))
    k_pe = g.view(both, rotary, 1, n, nb=(4 * both.ne[0], 4 * both.ne[0]))
    rope = "no_rope" not in b.facts.traits
    k_pe = g.rope(k_pe, b.inputs.positions) if rope else k_pe
    compressed = b.norm(compressed, "attn_kv_a_norm")
    q_nope = g.view(q, plain, heads, n, nb=q.strides[1:3])
    q_pe = g.view(q, rotary, heads, n, nb=q.strides[1:3])
    if not b.has("attn_k_b.weight"):
        return _decompressed(b, q, compressed, k_pe, a, plain)
    q_pe = g.rope(q_pe, b.inputs.positions) if rope else q_pe
    absorbed = g.mul_mat(b.weight("attn_k_b.weight"), g.permute(q_nope, 0, 2, 1, 3))
    q = g.concat(g.permute(absorbed, 0, 2, 1, 3), q_pe)
    compressed = g.reshape(compressed, rank, 1, n)
    k = g.concat(compressed, k_pe)
    for t in (q, compressed, k):
        g.expand(t)
    cells, streams = b.cells(a.window), b.geo.n_stream
    cache = g.cache(b.cache_home, k.ne[0], cells, streams, kind=b.params.type_k)
    g.expand(g.set_rows(cache, g.view(k, k.ne[0], n, nb=(k.strides[2],)), b.inputs.cache_rows("k", a.window)))
    keys = g.view(cache, k.ne[0], 1, cells, streams)
    values = g.view(keys, rank, 1, cells, streams, nb=keys.strides[1:])
    return project(b, multi_head(b, q, keys, values, a, v_b=b.weight("attn_v_b.weight"), mask=mask))


def _decompressed(
    b: Builder, q: Tensor, compressed: Tensor, k_pe: Tensor, a: Attention, plain: int
) -> Tensor:
    """Files without split up-projections: ordinary multi-head attention with a full cache."""
    g, n, heads = b.g, b.n, a.heads
    kv = b.linear("attn_kv_b", compressed)
    head = kv.ne[0] // heads
    k_nope = g.view(kv, plain, heads, n, nb=(4 * head, 4 * kv.ne[0]))
    v = g.cont(g.view(kv, head - plain, heads, n, nb=(4 * head, 4 * kv.ne[0])))
    q = g.rope(q, b.inputs.positions)
    k = g.concat(k_nope, g.op((k_pe.ne[0], heads, n), k_pe))
    return attend(b, q, k, v, a)
