"""One block of any decoder: mixer, residual, feed-forward; the tensors that are there decide the shape of it."""

from stackgen.memory.graph.tensors import Tensor
from stackgen.memory.model import recurrence
from stackgen.memory.model.attention import attention
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.experts import mixture, shared


def block(b: Builder, x: Tensor, *, last: bool) -> Tensor:
    """Pre-norm, post-norm and sandwich-norm blocks, parallel ones, and those with a mixer alone."""
    cur = b.norm(x, "attn_norm") if b.has("attn_norm.weight") else x
    parallel = has_ffn(b) and ffn_norm(b) is None and not b.has("post_ffw_norm.weight")
    normed = cur
    if b.layer.attention is None and b.layer.recurrent is None:
        return _lone_ffn(b, x, cur, last=last)
    cur = mixer(b, cur)
    if last and "late_output" not in b.facts.traits:
        if parallel:
            cur, x, normed = b.pick_outputs(cur, x, normed)
        else:
            cur, x = b.pick_outputs(cur, x)
    if not has_ffn(b):
        return b.g.add(cur, x)
    if parallel:
        return b.g.add(b.g.add(feed_forward(b, normed), x), cur)
    if b.has("post_attention_norm.weight") and ffn_norm(b) != "post_attention_norm":
        cur = b.norm(cur, "post_attention_norm")
    x = b.g.add(cur, x)
    name = ffn_norm(b)
    cur = feed_forward(b, b.norm(x, name) if name else x)
    if b.has("post_ffw_norm.weight"):
        cur = b.norm(cur, "post_ffw_norm")
    return b.g.add(cur, x)


def _lone_ffn(b: Builder, x: Tensor, cur: Tensor, *, last: bool) -> Tensor:
    cur = feed_forward(b, cur)
    if last:
        cur, x = b.pick_outputs(cur, x)
    return b.g.add(cur, x)


def mixer(b: Builder, cur: Tensor) -> Tensor:
    """What moves information between tokens: attention, a recurrence, or both side by side."""
    a = b.layer.attention
    if b.layer.recurrent is None:
        assert a is not None
        return attention(b, cur, a)
    if a is None:
        return recurrence.mixer(b, cur)
    state = recurrence.mixer(b, cur)
    return b.g.add(attention(b, cur, a), state)


def has_ffn(b: Builder) -> bool:
    """Whether the block has a feed-forward part."""
    return b.has("ffn_up.weight") or b.has("ffn_up_exps.weight") or b.has("ffn_gate_up_exps.weight")


def ffn_norm(b: Builder) -> str | None:
    """The norm before the feed-forward part. `post_attention_norm` is it, unless it closes the attention."""
    if b.has("ffn_norm.weight"):
        return "ffn_norm"
    if b.has("post_attention_norm.weight") and not b.has("post_ffw_norm.weight"):
        return "post_attention_norm"
    return None


def feed_forward(b: Builder, cur: Tensor) -> Tensor:
    """Dense, experts, or experts with a shared one."""
    if not b.has("ffn_down_exps.weight"):
        return b.ffn(cur)
    out = mixture(b, cur)
    if b.has("ffn_up_shexp.weight"):
        out = b.g.add(out, shared(b, cur))
    return out
