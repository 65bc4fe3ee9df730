"""Sparse attention with an indexer: score every cached token, attend to the best (deepseek32.cpp, glm-dsa.cpp)."""

from stackgen.domain.facts import Attention
from stackgen.memory.graph.tensors import Tensor
from stackgen.memory.model.builder import Builder


def chosen_mask(b: Builder, cur: Tensor, compressed_query: Tensor, a: Attention) -> Tensor | None:
    """The attention mask with all but the best tokens closed; None for a model without an indexer.

    A block without an indexer of its own takes the choice of the last one that had one.
    """
    if a.indexer_length and b.has("indexer.attn_k.weight"):
        b.chosen = _choose(b, cur, compressed_query, a)
    return None if b.chosen is None else _masked(b, b.chosen, a)


def _choose(b: Builder, cur: Tensor, compressed_query: Tensor, a: Attention) -> Tensor:
    """[best, tokens of a stream, 1, streams]: which cells each token attends to."""
    g, n, width = b.g, b.n, a.indexer_length
    cells, streams = b.cells(a.window), b.geo.n_stream
    q = b.linear("indexer.attn_q_b", compressed_query)
    heads = q.ne[0] // width
    q = g.rope(g.reshape(q, width, heads, n), b.inputs.positions)
    k = b.norm(b.linear("indexer.attn_k", cur), "indexer.k_norm", rms=False)
    k = g.rope(g.reshape(k, width, 1, n), b.inputs.positions)
    rotation = b.inputs.matrix("indexer rotation", width)
    q, k = g.mul_mat(rotation, q), g.mul_mat(rotation, k)
    cache = g.cache(b.cache_home, width, cells, streams, kind=b.params.type_k)
    g.expand(g.set_rows(cache, g.view(k, width, n, nb=(k.strides[2],)), b.inputs.cache_rows("indexer", None)))
    weights = b.linear("indexer.proj", cur)
    tokens = n // streams
    weights = g.same(
        g.view(weights, heads, tokens, 1, streams, nb=(4 * heads, 4 * heads * tokens, 4 * heads * tokens))
    )
    q = g.view(q, width, heads, tokens, streams)
    mask = b.inputs.indexer_mask()
    scores = g.op((cells, tokens, 1, streams), q, g.view(cache, width, 1, cells, streams), weights, mask)
    best = min(cells, b.facts.number("attention.indexer.top_k", 2048))
    return g.cont(g.op((best, tokens, 1, streams), scores, kind="i32"))


def _masked(b: Builder, chosen: Tensor, a: Attention) -> Tensor:
    g, mask = b.g, b.inputs.mask(a.window)
    best, tokens, _, streams = chosen.ne
    closed = g.same(mask)
    zeros = g.same(g.blank("f32", 1, best, tokens, streams))
    rows = g.set_rows(
        g.view(closed, 1, mask.ne[0], tokens, streams), zeros, g.view(chosen, best, tokens, streams)
    )
    return g.same(g.view(rows, *mask.ne), mask)
