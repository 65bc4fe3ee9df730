"""One block of any decoder: mixer, residual, feed-forward; the tensors that are there decide the shape of it."""

from stackgen.domain.facts import Attention
from stackgen.memory.graph.tensors import Tensor
from stackgen.memory.model import recurrence
from stackgen.memory.model.attention import attention
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.experts import grove, latent, mixture, shared
from stackgen.memory.model.rwkv import rwkv_block


def block(b: Builder, x: Tensor, *, last: bool) -> Tensor:
    """One block, of the kind that its tensors tell."""
    if b.has("time_mix_output.weight"):
        return rwkv_block(b, x, last=last)
    if b.layer.attention is not None and b.layer.recurrent is not None:
        return side_by_side(b, x, b.layer.attention, last=last)
    if b.has("ffn_norm_exps.weight") and b.layer.attention is not None:
        return two_residuals(b, x, b.layer.attention, last=last)
    return usual(b, x, last=last)


def usual(b: Builder, x: Tensor, *, last: bool) -> Tensor:
    """Pre-norm, post-norm and sandwich-norm blocks, parallel ones, and those with a mixer alone."""
    logits = b.linear("ffn_gate_inp", x) if "early_router" in b.facts.traits else None
    cur = b.norm(x, "attn_norm") if b.has("attn_norm.weight") or "plain_norms" in b.facts.traits else x
    if "norm_first" in b.facts.traits:
        b.g.expand(cur)
    if b.layer.attention is None and b.layer.recurrent is None:
        return _lone_ffn(b, x, cur, last=last)
    if is_parallel(b):
        return parallel(b, x, cur, last=last)
    cur = mixer(b, cur)
    if last and not picks_late(b):
        cur, x = b.pick_outputs(cur, x)
    if not has_ffn(b):
        return _add(b, cur, x)
    if b.has("post_attention_norm.weight") and ffn_norm(b) != "post_attention_norm":
        cur = b.norm(cur, "post_attention_norm")
    x = b.g.add(x, cur) if "residual_first_once" in b.facts.traits else _add(b, cur, x)
    if b.has("layer_output_norm.weight"):  # BERT normalises sums
        x = b.norm(x, "attn_output_norm")
        return b.norm(b.g.add(feed_forward(b, x, x), x), "layer_output_norm")
    name = ffn_norm(b)
    cur = feed_forward(b, b.norm(x, name) if name else x, x, logits)
    if b.has("post_ffw_norm.weight"):
        cur = b.norm(cur, "post_ffw_norm")
    return _add(b, cur, x)


def _add(b: Builder, cur: Tensor, x: Tensor) -> Tensor:
    """The residual sum; the first operand is the one whose bytes it prefers."""
    return b.g.add(x, cur) if "residual_first" in b.facts.traits else b.g.add(cur, x)


def is_parallel(b: Builder) -> bool:
    """Whether attention and feed-forward read the same input: no norm stands between them."""
    if not has_ffn(b):
        return False
    if b.facts.architecture == "gptneox":
        return bool(b.facts.values.get("use_parallel_residual", True))
    closing = b.has("attn_output_norm.weight") or b.has("post_ffw_norm.weight")
    return ffn_norm(b) is None and not closing


def parallel(b: Builder, x: Tensor, cur: Tensor, *, last: bool) -> Tensor:
    """x + attention(norm(x)) + feed-forward(norm(x)), in one of three orders."""
    g = b.g
    attended = mixer(b, b.norm(x, "attn_norm_2") if b.has("attn_norm_2.weight") else cur)
    if last and not picks_late(b):
        attended, x, cur = b.pick_outputs(attended, x, cur)
    if (name := ffn_norm(b)) is not None:
        cur = b.norm(x, name)
    out = feed_forward(b, cur, x)
    if "residual_before_attention" in b.facts.traits:
        return g.add(g.add(out, x), attended)
    if b.facts.architecture == "phi2":
        return g.add(g.add(attended, out), x)
    return g.add(g.add(out, attended), x)


def _lone_ffn(b: Builder, x: Tensor, cur: Tensor, *, last: bool) -> Tensor:
    cur = feed_forward(b, cur, x)
    if last and not picks_late(b):
        cur, x = b.pick_outputs(cur, x)
    return b.g.add(cur, x)


def picks_late(b: Builder) -> bool:
    """Whether all rows go on to the head."""
    return "late_output" in b.facts.traits or "late_norm_output" in b.facts.traits


def mixer(b: Builder, cur: Tensor) -> Tensor:
    """What moves information between tokens: attention, a recurrence, or both side by side."""
    a = b.layer.attention
    if a is None:
        return recurrence.mixer(b, cur)
    return attention(b, cur, a)


def side_by_side(b: Builder, x: Tensor, a: Attention, *, last: bool) -> Tensor:
    """Attention and a recurrence that read the same input, each through the norm (falcon-h1.cpp)."""
    g = b.g
    attended = attention(b, b.norm(x, "attn_norm"), a)
    mixed = recurrence.mixer(b, b.norm(x, "attn_norm"))
    x = g.add(g.add(attended, mixed), x)
    if last:
        (x,) = b.pick_outputs(x)
    return g.add(feed_forward(b, b.norm(x, "ffn_norm"), x), x)


def two_residuals(b: Builder, x: Tensor, a: Attention, *, last: bool) -> Tensor:
    """A dense block, and experts that read what the block read (arctic.cpp)."""
    g = b.g
    cur = attention(b, b.norm(x, "attn_norm"), a)
    if last:
        cur, x = b.pick_outputs(cur, x)
    dense = g.add(cur, x)
    dense = g.add(b.ffn(b.norm(dense, "ffn_norm")), dense)
    return g.add(mixture(b, b.norm(x, "ffn_norm_exps")), dense)


def has_ffn(b: Builder) -> bool:
    """Whether the block has a feed-forward part."""
    return b.has("ffn_up.weight") or b.has("ffn_up_exps.weight") or b.has("ffn_gate_up_exps.weight")


def ffn_norm(b: Builder) -> str | None:
    """The norm before the feed-forward part. `post_attention_norm` is it, unless it closes the attention."""
    if "plain_norms" in b.facts.traits:
        return "ffn_norm"
    if b.has("ffn_norm.weight"):
        return "ffn_norm"
    if b.has("post_attention_norm.weight") and not b.has("post_ffw_norm.weight"):
        return "post_attention_norm"
    if b.has("attn_output_norm.weight") and not b.has("layer_output_norm.weight"):
        return "attn_output_norm"  # DBRX
    return None


def two_branches(b: Builder, cur: Tensor, x: Tensor) -> Tensor:
    """A dense network and experts side by side, each with norms of its own (gemma4.cpp)."""
    g = b.g
    dense = b.norm(b.ffn(cur), "post_ffw_norm_1")
    experts = b.norm(x, "pre_ffw_norm_2")
    logits = g.mul(g.same(g.same(x)), b.weight("ffn_gate_inp.scale"))
    logits = g.mul_mat(b.weight("ffn_gate_inp.weight"), logits)
    return g.add(dense, b.norm(mixture(b, experts, logits), "post_ffw_norm_2"))


def feed_forward(b: Builder, cur: Tensor, x: Tensor, logits: Tensor | None = None) -> Tensor:
    """Dense, experts, or experts with a shared one; x is what the norm before them read."""
    if not b.has("ffn_down_exps.weight"):
        return b.ffn(cur)
    if b.has("post_ffw_norm_1.weight"):
        return two_branches(b, cur, x)
    if b.has("ffn_down_chexps.weight"):
        return grove(b, cur)
    out = latent(b, cur) if b.has("ffn_latent_up.weight") else mixture(b, cur, logits)
    if b.has("ffn_up_shexp.weight"):
        out = b.g.add(out, shared(b, cur))
    return out
