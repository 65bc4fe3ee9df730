"""Mixture of experts: router, the chosen experts of every token, their weighted sum (`build_moe_ffn`)."""

from stackgen.domain.facts import ModelFacts
from stackgen.memory.graph.tensors import Tensor
from stackgen.memory.model.builder import Builder


def experts_used(facts: ModelFacts, i: int) -> int:
    """How many experts a token uses in block i."""
    value = facts.values.get("expert_used_count", 1)
    if isinstance(value, tuple):
        return int(value[min(i, len(value) - 1)])
    return int(value)


def mixture(b: Builder, cur: Tensor, logits: Tensor | None = None, kind: str = "exps") -> Tensor:
    """[embedding, tokens] through the experts of each token; `kind`: the experts' part of their tensors' names."""
    g, n, embd = b.g, cur.ne[1], cur.ne[0]
    used = min(experts_used(b.facts, b.i), b.w[f"ffn_down_{kind}.weight"].shape[-1])
    logits = b.linear("ffn_gate_inp", cur) if logits is None else logits
    count = logits.ne[0]
    late = "softmax_after_top_k" in b.facts.traits
    probs = logits if late else g.same(logits)
    selection = g.same(logits) if "own_selection" in b.facts.traits else probs
    choice = g.add(selection, b.weight("exp_probs_b.bias")) if b.has("exp_probs_b.bias") else selection
    choice = grouped(b, choice, count, n)
    ids = g.view(g.op(choice.ne, choice, kind="i32"), used, n, nb=(4 * count,))
    if kind == "chexps":  # from experts to their groups, in floats
        ids = g.op(ids.ne, g.same(g.op(ids.ne, ids)), kind="i32")
    weights = g.get_rows(g.reshape(probs, 1, count, n), ids)
    if late:
        weights = g.reshape(g.soft_max(g.reshape(weights, used, n)), 1, used, n)
    if b.facts.values.get("expert_weights_norm", "raw_expert_weights" not in b.facts.traits):
        flat = g.reshape(weights, used, n)
        total = g.same(g.op((1, n), flat))
        weights = g.reshape(g.same(flat, total), 1, used, n)
    g.expand(weights)
    cur = g.reshape(cur, embd, 1, n)
    if "weight_before_experts" in b.facts.traits:
        cur = g.mul(g.op((embd, used, n), cur), weights)
    out = g.mul_mat_id(b.weight(f"ffn_down_{kind}.weight"), _hidden(b, cur, ids, used, kind), ids)
    if b.has(f"ffn_down_{kind}.bias"):
        out = g.same(out, b.weight(f"ffn_down_{kind}.bias"), ids)
    if "weight_before_experts" not in b.facts.traits:
        out = g.mul(out, weights)
    g.expand(out)
    return _sum(b, out, used)


def grouped(b: Builder, choice: Tensor, count: int, n: int) -> Tensor:
    """Mask all but the best groups of experts (DeepSeek V3)."""
    groups = b.facts.number("expert_group_count")
    if groups <= 1:
        return choice
    g, kept = b.g, b.facts.number("expert_group_used_count")
    by_group = g.reshape(choice, count // groups, groups, n)
    top = g.view(g.op(by_group.ne, by_group, kind="i32"), 2, groups, n, nb=(4 * by_group.ne[0], 4 * count))
    best = g.op((1, 2, groups, n), g.reshape(by_group, 1, count // groups, groups, n), top)
    scores = g.op((1, groups, n), g.reshape(best, 2, groups, n))
    order = g.op((groups, n), g.reshape(scores, groups, n), kind="i32")
    chosen = g.view(order, kept, n, nb=(4 * groups,))
    rows = g.op((count // groups, kept, n), by_group, chosen)
    masked = g.set_rows(g.same(by_group), rows, chosen)
    return g.reshape(masked, count, n)


def _hidden(b: Builder, cur: Tensor, ids: Tensor, used: int, kind: str) -> Tensor:
    """What goes into the down matrices: [expert width, used, tokens]."""
    g = b.g

    def through(name: str) -> Tensor:
        name = f"ffn_{name}_{kind}"
        out = g.mul_mat_id(b.weight(name + ".weight"), cur, ids)
        return g.same(out, b.weight(name + ".bias"), ids) if b.has(name + ".bias") else out

    if b.has("ffn_gate_up_exps.weight"):
        both = through("gate_up")
        width = both.ne[0] // 2
        gate = g.view(both, width, used, both.ne[2], nb=both.strides[1:3])
        up = g.view(both, width, used, both.ne[2], nb=both.strides[1:3])
        return b.gated(up, gate)
    up = through("up")
    return b.gated(up, through("gate")) if b.has(f"ffn_gate_{kind}.weight") else g.same(up)


def _sum(b: Builder, out: Tensor, used: int) -> Tensor:
    """Add the experts of each token one by one."""
    g = b.g
    views = [g.expand(g.view(out, out.ne[0], out.ne[2], nb=(out.strides[2],))) for _ in range(used)]
    total = views[0]
    for view in views[1:]:
        total = g.expand(g.add(total, view))
    return g.cont(total) if used == 1 else total


def shared(b: Builder, cur: Tensor) -> Tensor:
    """The expert that every token passes, gated by itself in some models."""
    out = b.ffn(cur, "_shexp")
    if b.has("ffn_gate_inp_shexp.weight"):
        gate = b.g.same(b.linear("ffn_gate_inp_shexp", cur))
        out = b.g.mul(out, gate)
    return out


def latent(b: Builder, cur: Tensor) -> Tensor:
    """Experts that work in a narrower space than their router (Nemotron 3)."""
    logits = b.linear("ffn_gate_inp", cur)
    return b.linear("ffn_latent_up", mixture(b, b.linear("ffn_latent_down", cur), logits))


def grove(b: Builder, cur: Tensor) -> Tensor:
    """Experts, and then smaller ones, each of which a group of them shares (grovemoe.cpp)."""
    logits = b.linear("ffn_gate_inp", cur)
    out = mixture(b, cur, logits)
    return b.g.add(out, b.g.same(mixture(b, out, logits, "chexps")))
