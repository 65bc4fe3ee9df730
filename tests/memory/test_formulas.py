"""Numbers worked out by hand, one for each rule of the arithmetic."""

from dataclasses import replace

import pytest

from stackgen.domain.facts import Attention, Layer, ModelFacts, Recurrent, Weight
from stackgen.domain.footprint import Basis, Memory, TermName
from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import GIB, MIB
from stackgen.memory.errors import Refused, UnknownArchitecture
from stackgen.memory.geometry import geometry
from stackgen.memory.llama import footprint
from stackgen.memory.overhead import host_extras, process_overhead
from stackgen.memory.placement import place
from tests.support.oracle import facts_of


def size(memory: Memory, name: TermName) -> int:
    """Best guess of one term, in bytes."""
    return sum(t.best for t in memory.of(name))


def cache_mib(header: str, params: LlamaParams) -> float:
    """Key/value cache over all places."""
    result = footprint(facts_of(header), params, [80 * GIB])
    return sum(size(m, TermName.KV) for m in (*result.devices, result.host)) / MIB


# Llama 3.1 8B: 32 layers x 32768 cells x 2 x (8 heads x 128) elements x bytes per element.
@pytest.mark.parametrize(
    ("k", "v", "mib"),
    [
        ("f16", "f16", 4096),
        ("q8_0", "q8_0", 2176),  # 34 bytes for 32 elements
        ("q5_1", "q5_1", 1536),
        ("q5_0", "q5_0", 1408),
        ("q4_1", "q4_1", 1280),
        ("q4_0", "q4_0", 1152),
        ("q8_0", "q4_0", 1664),
    ],
)
def test_cache_types(k: str, v: str, mib: int) -> None:
    assert cache_mib("llama-3.1-8b", LlamaParams(n_ctx=32768, type_k=k, type_v=v)) == mib


def test_context_is_rounded_and_dealt_to_slots() -> None:
    facts = facts_of("llama-3.1-8b")
    assert geometry(facts, LlamaParams(n_ctx=1000)).n_ctx_seq == 1024
    split = geometry(facts, LlamaParams(n_ctx=30000, n_parallel=3))
    assert (split.n_stream, split.n_ctx_seq) == (3, 10240)  # 30000 / 3, up to a multiple of 256
    auto = geometry(facts, LlamaParams(n_ctx=8192))
    assert (auto.n_seq, auto.n_stream, auto.n_ctx_seq) == (4, 1, 8192)
    assert geometry(facts, LlamaParams()).n_ctx_seq == 131072  # the trained context


def test_output_rows() -> None:
    facts = facts_of("llama-3.1-8b")
    assert geometry(facts, LlamaParams(n_ctx=8192)).n_outputs == 4  # one a slot
    assert geometry(facts, LlamaParams(n_ctx=8192, embeddings=True)).n_outputs == 512  # every token
    drafting = LlamaParams(n_ctx=8192, n_parallel=1, spec_type="draft-mtp", spec_draft_n_max=3)
    assert geometry(facts, drafting).n_outputs == 4


def test_window_cells() -> None:
    # gpt-oss, window 128, 8 unified slots, micro-batch 512: 128 x 8 + 512 = 1536 cells
    geo = geometry(facts_of("gpt-oss-120b"), LlamaParams(n_ctx=65536, n_parallel=8, kv_unified=True))
    assert geo.cells(128, swa_full=False) == 1536
    assert geo.cells(128, swa_full=True) == 65536
    assert geo.cells(None, swa_full=False) == 65536


def test_window_cache() -> None:
    # Gemma 3 27B: 62 layers, 16 x 128 + 16 x 128 elements in f16; 10 full ones, 52 of pad256(1024 + 512) = 1536 cells
    one = LlamaParams(n_ctx=32768, n_parallel=1)
    assert cache_mib("gemma-3-27b", one) == (10 * 32768 + 52 * 1536) * 8192 / MIB == 3184
    assert cache_mib("gemma-3-27b", one._replace(n_ubatch=2048)) == 3808
    assert cache_mib("gemma-3-27b", one._replace(swa_full=True)) == 15872
    assert cache_mib("gemma-3-27b", one._replace(n_parallel=4)) == 5056


def test_windows_the_engine_overrides() -> None:
    assert {x.attention.window for x in facts_of("phi-3-mini").layers if x.attention} == {None}
    assert {x.attention.window for x in facts_of("llama-4-scout").layers if x.attention} == {None, 8192}


def test_latent_attention_keeps_one_row() -> None:
    # DeepSeek V3: 61 layers x 131072 cells x (512 + 64) x 2 B
    assert cache_mib("deepseek-v3", LlamaParams(n_ctx=131072)) * MIB == 61 * 131072 * 1152


def test_shared_caches() -> None:
    # Gemma 3n E4B: 35 layers, a cache for the first 20
    assert sum(x.attention.cached for x in facts_of("gemma-3n-e4b").layers if x.attention) == 20
    assert sum(x.attention.cached for x in facts_of("gemma-4-e4b").layers if x.attention) == 42 - 18


@pytest.mark.parametrize(
    ("header", "slots", "mib"),
    [
        ("mamba2-codestral-7b", 1, 263.5),
        ("mamba2-codestral-7b", 8, 2108),
        ("granite-4.0-h-small", 1, 147.5),
        ("qwen3-coder-next-80b-a3b", 1, 36 * 4 * (24576 + 524288) / MIB),
    ],
)
def test_recurrent_state(header: str, slots: int, mib: float) -> None:
    result = footprint(facts_of(header), LlamaParams(n_ctx=4096, n_parallel=slots), [80 * GIB])
    assert size(result.devices[0], TermName.RECURRENT) / MIB == pytest.approx(mib, abs=0.05)


def test_rollback_multiplies_the_state() -> None:
    one = LlamaParams(n_ctx=4096, n_parallel=1)
    plain = footprint(facts_of("qwen3.5-27b"), one, [80 * GIB]).devices[0]
    drafting = footprint(
        facts_of("qwen3.5-27b"), one._replace(spec_type="draft-mtp", spec_draft_n_max=4), [80 * GIB]
    ).devices[0]
    assert size(drafting, TermName.RECURRENT) == 5 * size(plain, TermName.RECURRENT)
    assert size(plain, TermName.DRAFT) == 0
    assert size(drafting, TermName.DRAFT) > 4096 * 2 * 2048  # its own cache in f16, weights and a graph


def test_prediction_blocks_take_slots_but_no_memory() -> None:
    facts = facts_of("qwen3.5-27b")
    placement = place(facts, LlamaParams(tensor_split=(3, 1)), [24 * GIB, 12 * GIB])
    assert [placement.layers.count(i) for i in (0, 1)] == [50, 16]  # pub-238: 64 + 1 blocks and the output


def test_a_share_of_zero_still_counts_as_a_device() -> None:
    facts = facts_of("llama-3.1-8b")
    placement = place(facts, LlamaParams(tensor_split=(1, 0)), [24 * GIB, 24 * GIB])
    assert set(placement.layers) == {0}
    assert placement.pipeline


def test_partial_offload_moves_the_last_blocks() -> None:
    placement = place(facts_of("llama-3.1-8b"), LlamaParams(n_gpu_layers=32), [24 * GIB])
    assert placement.layers == (1, *[0] * 32)
    assert not placement.pipeline


def test_overrides_search_anywhere_and_the_first_wins() -> None:
    params = LlamaParams(override_tensor=((r"output\.weight", "CPU"), (r"attn_output", "CUDA0")))
    placement = place(facts_of("llama-3.1-8b"), params, [24 * GIB, 24 * GIB])
    assert placement.of("blk.31.attn_output.weight", 31) == placement.host
    assert placement.of("output.weight", None) == placement.host


def test_tied_embeddings_are_counted_twice() -> None:
    # gemma-3-27b: 1102 MiB on the host, and again on the GPU
    result = footprint(facts_of("gemma-3-27b"), LlamaParams(n_ctx=4096), [80 * GIB])
    assert size(result.host, TermName.WEIGHTS) // MIB == 1102
    embedding = facts_of("gemma-3-27b").by_name["token_embd.weight"].size
    whole = facts_of("gemma-3-27b").weight_bytes
    both = size(result.host, TermName.WEIGHTS) + size(result.devices[0], TermName.WEIGHTS)
    assert both - whole - embedding < MIB


def test_compute_buffer_of_a_dense_model() -> None:
    # Llama 3.1 8B at 32k, micro-batch 512: mask 32 MiB + 4 x 8 of embeddings + 3 x 28 of the feed-forward = 148
    result = footprint(facts_of("llama-3.1-8b"), LlamaParams(n_ctx=32768), [24 * GIB])
    assert size(result.devices[0], TermName.COMPUTE) // MIB == 148
    assert size(result.host, TermName.COMPUTE) // MIB == 32 + 4 * 8


def test_host_weights_cost_the_first_gpu_more() -> None:
    facts = facts_of("qwen3-30b-a3b")
    on_gpu = footprint(facts, LlamaParams(n_ctx=8192), [80 * GIB]).devices[0]
    offloaded = footprint(facts, LlamaParams(n_ctx=8192, cpu_moe=True), [80 * GIB]).devices[0]
    assert len(on_gpu.of(TermName.COMPUTE)) == 1
    buffer, extra = offloaded.of(TermName.COMPUTE)
    assert extra.low == extra.best == 0
    largest = max(w.size for x in facts.layers for w in x.weights)
    assert largest <= extra.high <= 3 * largest + 2 * buffer.high
    quiet = footprint(facts, LlamaParams(n_ctx=8192, cpu_moe=True, op_offload=False), [80 * GIB]).devices[0]
    assert len(quiet.of(TermName.COMPUTE)) == 1


def test_quantized_cache_is_converted_on_cuda() -> None:
    # Qwen3-Coder-Next at 262144: 262144 cells x (2 x 256 + 2 x 256) elements x 2 B = 512 MiB on each GPU
    params = LlamaParams(n_ctx=262144, type_k="q8_0", type_v="q8_0")
    result = footprint(facts_of("qwen3-coder-next-80b-a3b"), params, [80 * GIB, 80 * GIB])
    for device in result.devices:
        assert device.of(TermName.COMPUTE)[1].high == 512 * MIB


def test_projector_and_draft() -> None:
    tower = ModelFacts(
        architecture="clip",
        layers=(),
        context_length=0,
        embedding_length=0,
        vocab_size=0,
        weights=(Weight(name="v.blk.0.ffn_up.weight", shape=(1024, 1024), type="f16", size=900 * MIB),),
    )
    target, draft = facts_of("llama-3.3-70b"), facts_of("llama-3.1-8b")
    params = LlamaParams(n_ctx=4096)
    alone = footprint(target, params, [80 * GIB, 80 * GIB])
    both = footprint(target, params, [80 * GIB, 80 * GIB], mmproj=tower, draft=draft)
    assert both.devices[0].of(TermName.MMPROJ)[0].low == 900 * MIB
    assert not both.devices[1].of(TermName.MMPROJ)
    beside = footprint(draft, params, [80 * GIB, 80 * GIB])
    assert both.devices[1].high - alone.devices[1].high == beside.devices[1].high


def test_process_overhead() -> None:
    default = process_overhead()
    assert (default.low, default.best, default.high) == (150 * MIB, 500 * MIB, 750 * MIB)
    assert process_overhead("8.9").best == 456 * MIB
    assert process_overhead("7.5") == default


def test_host_extras() -> None:
    prompts, checkpoints, rows = host_extras(facts_of("mamba2-codestral-7b"), LlamaParams(n_parallel=1))
    assert prompts.high == 8192 * MIB
    assert checkpoints.high / MIB == pytest.approx(32 * 263.5, rel=1e-3)
    assert rows.high == facts_of("mamba2-codestral-7b").vocab_size * 4


def test_odd_heads_refuse_quantized_caches() -> None:
    layer = Layer(attention=Attention(heads=1, heads_kv=1, key_length=80, value_length=80))
    facts = ModelFacts(
        architecture="llama", layers=(layer,), context_length=4096, embedding_length=80, vocab_size=100
    )
    with pytest.raises(Refused, match="blocks of 32") as caught:
        geometry(facts, LlamaParams(type_k="q8_0"))
    assert caught.value.kind == "cache-type-does-not-divide-head"


def test_slots_have_a_limit() -> None:
    with pytest.raises(Refused, match="256") as caught:
        geometry(facts_of("llama-3.1-8b"), LlamaParams(n_parallel=300))
    assert caught.value.kind == "too-many-slots"


def test_unknown_mechanism_is_an_error() -> None:
    strange = Weight(name="warp_core.weight", shape=(64, 64), type="f16", size=8192)
    facts = facts_of("llama-3.1-8b")
    first = replace(facts.layers[0], weights=(*facts.layers[0].weights, strange))
    with pytest.raises(UnknownArchitecture, match=r"warp_core\.weight.*llama") as caught:
        footprint(replace(facts, layers=(first, *facts.layers[1:])), LlamaParams(), [24 * GIB])
    assert "--oracle" in str(caught.value.hint)


def test_unchecked_architectures_have_wider_bounds() -> None:
    facts = facts_of("llama-3.1-8b")
    traits = tuple(t for t in facts.traits if t != "checked")
    known = footprint(facts, LlamaParams(n_ctx=8192), [24 * GIB]).devices[0].of(TermName.COMPUTE)[0]
    unknown = footprint(replace(facts, traits=traits), LlamaParams(n_ctx=8192), [24 * GIB])
    term = unknown.devices[0].of(TermName.COMPUTE)[0]
    assert term.best == known.best
    assert term.high > known.high
    assert term.basis is Basis.MODELLED


def test_recurrent_layer_without_attention_keeps_no_cache() -> None:
    layer = facts_of("jamba-mini-1.7").layers[0]
    assert layer.attention is None
    assert isinstance(layer.recurrent, Recurrent)
