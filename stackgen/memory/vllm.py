"""What one GPU holds under vLLM: a share of its memory that is taken whatever the model, and what is left in it
for the cache after weights and work space (vllm/v1/worker/gpu_worker.py, determine_available_memory)."""

from collections.abc import Sequence
from typing import NamedTuple

from stackgen.domain.facts import Attention, Layer, ModelFacts, Weight

F16, F32 = 2, 4
KV_BYTES = {"auto": F16, "bfloat16": F16, "float16": F16, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1}
"""Bytes of an element of the cache by `--kv-cache-dtype`; `auto` is the model's own type, of two bytes."""


class Split(NamedTuple):
    """How a model is dealt out: each layer over `tensor` GPUs, the layers over `pipeline` stages."""

    tensor: int = 1
    pipeline: int = 1


class Limits(NamedTuple):
    """What decides work space."""

    max_num_seqs: int
    max_num_batched_tokens: int
    cuda_graphs: bool = True


def stages(facts: ModelFacts, pipeline: int) -> list[Sequence[Layer]]:
    """The layers of each stage: as many in each, the rest from the last stage but one backwards (get_pp_indices)."""
    layers = facts.layers[: facts.n_trunk]
    counts = [len(layers) // pipeline] * pipeline
    for i in range(2, len(layers) % pipeline + 2):
        counts[-i % pipeline] += 1
    starts = [sum(counts[:i]) for i in range(pipeline)]
    return [layers[start : start + count] for start, count in zip(starts, counts, strict=True)]


def weights(facts: ModelFacts, split: Split, stage: int) -> int:
    """Bytes on a GPU of a stage: matrices are cut into `tensor` parts, vectors are in each part.

    The embedding is in the first stage, everything else outside of blocks in the last one.
    """
    first, last = stage == 0, stage == split.pipeline - 1
    tied = "output.weight" not in facts.by_name
    outside = [
        w
        for w in facts.weights
        if (first if w.name.startswith("token_embd") else last)
        or (last and tied and w.name == "token_embd.weight")
    ]
    blocks = [w for layer in stages(facts, split.pipeline)[stage] for w in layer.weights]
    return sum(_part(w, split.tensor) for w in (*blocks, *outside))


def _part(weight: Weight, tensor: int) -> int:
    return weight.size if len(weight.shape) < 2 else -(-weight.size // tensor)


def token_bytes(facts: ModelFacts, split: Split, stage: int, dtype: str) -> int:
    """Cache of one token on a GPU of a stage: heads are dealt out, but each GPU has one at least.

    Layers with a sliding window count in full, which they do up to the window.
    """
    each = KV_BYTES[dtype]
    attention = (x.attention for x in stages(facts, split.pipeline)[stage])
    return sum(_row(a, facts, split.tensor) * each for a in attention if a is not None and a.cached)


def _row(a: Attention, facts: ModelFacts, tensor: int) -> int:
    if facts.is_mla:
        # The compressed row is in every part.
        return a.key_length + a.indexer_length
    return max(1, a.heads_kv // tensor) * (a.key_length + a.value_length) + a.indexer_length


def state_bytes(facts: ModelFacts, split: Split, stage: int) -> int:
    """Recurrent state of one sequence on a GPU of a stage, in f32 at most."""
    states = (x.recurrent for x in stages(facts, split.pipeline)[stage])
    return sum(-(-F32 * (r.conv + r.state) // split.tensor) for r in states if r is not None)


def work_space(facts: ModelFacts, split: Split, limits: Limits) -> tuple[int, int, int]:
    """(low, best, high): the largest step of the start's dry run, and the graphs that it records.

    The step holds, for each token of a full batch, the residual twice, queries and keys, and three rows as wide
    as the feed-forward part; at its end the logits of every sequence in f32, and once more sorted.
    """
    wide = facts.number("feed_forward_length") or facts.number("expert_feed_forward_length") * facts.number(
        "expert_used_count", 1
    )
    step = limits.max_num_batched_tokens * (4 * facts.embedding_length + 3 * -(-wide // split.tensor)) * F16
    logits = 2 * limits.max_num_seqs * facts.vocab_size * F32
    graphs = limits.cuda_graphs * (128 << 20)
    best = max(step, logits) + graphs
    return best // 2, best, 2 * max(step, logits) + 8 * graphs
