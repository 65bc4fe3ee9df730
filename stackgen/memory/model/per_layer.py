"""Per-layer embeddings (Gemma 3n, Gemma 4 E): a second table on the host, one slice of it for each block."""

from stackgen.memory.graph.tensors import Tensor
from stackgen.memory.model.builder import Builder


def per_layer_inputs(b: Builder, embeddings: Tensor) -> Tensor | None:
    """[width, tokens, layers], or None for a model without the table."""
    table = b.facts.by_name.get("per_layer_token_embd.weight")
    if table is None:
        return None
    g, n, layers = b.g, b.n, b.facts.n_trunk
    width = table.shape[0] // layers
    rows = g.get_rows(b.tensor("per_layer_token_embd.weight"), g.input("i32", n))
    rows = g.expand(g.same(g.reshape(rows, width, layers, n)))
    projected = g.same(g.mul_mat(b.tensor("per_layer_model_proj.weight"), embeddings))
    projected = g.reshape(projected, width, layers, n)
    projected = g.mul(g.same(projected), b.tensor("per_layer_proj_norm.weight"))
    both = g.same(g.add(projected, rows))
    return g.cont(g.permute(both, 0, 2, 1, 3))


def add_per_layer(b: Builder, cur: Tensor, inputs: Tensor) -> Tensor:
    """Gate the block's slice by its result and add it (gemma4.cpp)."""
    return b.g.add(cur, gated_slice(b, cur, inputs))


def gated_slice(b: Builder, cur: Tensor, inputs: Tensor) -> Tensor:
    """The block's slice, gated and projected back to the embedding's width."""
    g = b.g
    gate = g.same(b.linear("inp_gate", cur))
    slice_ = g.view(inputs, inputs.ne[0], inputs.ne[1], nb=(inputs.strides[1],))
    return b.norm(b.linear("proj", g.mul(gate, slice_)), "post_norm")
