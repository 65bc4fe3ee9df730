"""vLLM's share of a GPU, against figures that people published and against its own rules of splitting."""

import pytest

from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Basis
from stackgen.domain.units import GIB, MIB
from stackgen.facts import catalog
from stackgen.facts.derive import derive
from stackgen.memory.overhead import process_overhead
from stackgen.memory.vllm import Limits, Split, stages, state_bytes, token_bytes, weights, work_space


def facts(name: str, quant: str = "BF16") -> ModelFacts:
    hit = catalog.by_name(name, quant, "")
    assert hit is not None
    return derive(hit.header, basis=Basis.CATALOG)


LLAMA = facts("llama-3.1-8b")


def test_an_8b_model_on_an_l4() -> None:
    """kvplan, Llama-3.1-8B in bf16: a budget of 20.69 GiB less 14.96 of weights and 0.83 of runtime."""
    one = Split()
    assert weights(LLAMA, one, 0) / GIB == pytest.approx(14.96, abs=0.01)
    assert token_bytes(LLAMA, one, 0, "auto") == 131072
    low, best, high = work_space(LLAMA, one, Limits(max_num_seqs=256, max_num_batched_tokens=2048))
    runtime = best + process_overhead("8.9").best
    assert low < best < high
    assert runtime / GIB == pytest.approx(0.83, abs=0.1)
    tokens = (int(20.69 * GIB) - weights(LLAMA, one, 0) - runtime) // 131072
    assert tokens == pytest.approx(40208, rel=0.03)


@pytest.mark.parametrize(
    ("pipeline", "counts"), [(1, [32]), (2, [16, 16]), (3, [11, 11, 10]), (5, [6, 6, 7, 7, 6])]
)
def test_layers_are_dealt_as_vllm_deals_them(pipeline: int, counts: list[int]) -> None:
    assert [len(s) for s in stages(LLAMA, pipeline)] == counts


def test_parts_make_up_the_whole() -> None:
    whole = weights(LLAMA, Split(), 0)
    vectors = sum(w.size for layer in LLAMA.layers for w in layer.weights if len(w.shape) == 1)
    halves = weights(LLAMA, Split(tensor=2), 0)
    assert whole <= 2 * halves <= whole + 2 * vectors + MIB
    in_turn = [weights(LLAMA, Split(pipeline=2), stage) for stage in (0, 1)]
    assert sum(in_turn) == whole


def test_every_gpu_has_a_head_of_the_cache() -> None:
    # 8 heads of 128 elements in 32 layers: 16 GPUs keep each of them twice.
    assert token_bytes(LLAMA, Split(tensor=8), 0, "auto") == 32 * 2 * 128 * 2
    assert token_bytes(LLAMA, Split(tensor=16), 0, "auto") == 32 * 2 * 128 * 2
    assert token_bytes(LLAMA, Split(tensor=8), 0, "fp8") == 32 * 2 * 128


def test_recurrent_state_is_counted_by_sequence() -> None:
    hybrid = facts("qwen3-next-80b-a3b")
    assert state_bytes(hybrid, Split(), 0) > 0
    assert state_bytes(LLAMA, Split(), 0) == 0
