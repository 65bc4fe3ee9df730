"""Where layers go, what each kind of layer keeps, and what an interval promises."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.domain.exllama import ExllamaParams
from stackgen.domain.facts import Attention, ModelFacts, Recurrent
from stackgen.domain.footprint import TermName
from stackgen.domain.units import GIB, MIB
from stackgen.facts import catalog, exl
from stackgen.memory.exllama.cache import (
    paged_bytes,
    recurrent_bytes,
    ring_bytes,
    slots_of,
    state_bytes,
    token_bytes,
)
from stackgen.memory.exllama.footprint import Companion, alone, footprint
from stackgen.memory.exllama.split import Piece, budgets, place, shares

EIGHT_HEADS = Attention(heads=64, heads_kv=8, key_length=128, value_length=128)


def facts(name: str, bpw: float = 4.0) -> ModelFacts:
    shape = catalog.find(name)
    assert shape is not None
    found = exl.from_shape(shape, exl.Bits(bpw, 6), "exl3")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("FP16", 4096),
        ("Q8", 1024 * (8.5 + 8.5) / 8),
        ("Q6", 1024 * (6.5 + 6.5) / 8),
        ("Q4", 1024 * (4.5 + 4.5) / 8),
        ("8,4", 1024 * (8.5 + 4.5) / 8),
        ("2,3", 1024 * (2.5 + 3.5) / 8),
    ],
)
def test_a_token_has_its_bits_and_a_scale_for_32(mode: str, expected: float) -> None:
    assert token_bytes(EIGHT_HEADS, ExllamaParams(cache_size=256, cache_mode=mode)) == expected


@pytest.mark.parametrize(("mode", "expected"), [("FP16", 1152), ("8,4", 512 * 8.5 / 8 + 128)])
def test_a_latent_is_quantized_and_its_rotary_key_is_not(mode: str, expected: float) -> None:
    latent = Attention(heads=128, heads_kv=1, key_length=576, value_length=512)
    assert token_bytes(latent, ExllamaParams(cache_size=256, cache_mode=mode), mla=True) == expected


def test_rings_are_of_whole_pages_and_do_not_grow_with_the_cache() -> None:
    window = replace(EIGHT_HEADS, heads_kv=8, key_length=64, value_length=64, window=128)
    assert ring_bytes(window, 4) == 4 * 768 * 8 * 128 * 2
    model = facts("gpt-oss-20b")
    sizes = [
        [f(layer, model, ExllamaParams(cache_size=tokens)) for layer in model.layers for f in (state_bytes,)]
        for tokens in (4096, 65536)
    ]
    assert sizes[0] == sizes[1]
    assert sum(size > 0 for size in sizes[0]) == 12


def test_windows_of_other_families_are_whole_caches() -> None:
    model, params = facts("gemma-3-27b"), ExllamaParams(cache_size=4096)
    assert all(paged_bytes(layer, model, params) for layer in model.layers)
    assert not any(state_bytes(layer, model, params) for layer in model.layers)


def test_slots_matter_to_models_with_a_state() -> None:
    params = ExllamaParams(cache_size=4096)
    assert slots_of(facts("llama-3.1-8b"), params) == 128
    assert slots_of(facts("gpt-oss-20b"), params) == 4
    assert slots_of(facts("qwen3.5-27b"), replace(params, max_batch_size=2)) == 2


def test_a_state_is_kept_for_every_drafted_token() -> None:
    state = Recurrent(conv=3 * 10240, state=786432)
    assert recurrent_bytes(state, 4, 2, 0) == 2 * (786432 * 4 + 10240 * 4 * 2)
    assert recurrent_bytes(state, 4, 2, 4) == 2 * (5 * 786432 * 4 + 10240 * 8 * 2)


def test_gpus_are_filled_one_after_the_other() -> None:
    pieces = [Piece(10)] * 7
    assert place(pieces, [35, 0, 100], [0, 0, 0], 5) == [0, 0, 0, 2, 2, 2, 2]
    assert place(pieces, [35, 100], [10, 0], 5) == [0, 0, 1, 1, 1, 1, 1]


def test_what_fits_nowhere_shows_on_the_last_gpu() -> None:
    assert place([Piece(10)] * 4, [15, 15], [0, 0], 0) == [0, 1, 1, 1]


def test_a_cap_is_the_split_or_what_the_reserve_leaves() -> None:
    free, base = [24 * GIB, 16 * GIB], ExllamaParams(cache_size=256)
    given_split = replace(base, gpu_split=(20 * GIB,))
    assert budgets(given_split, free, 450 * MIB) == (20 * GIB, 0)
    assert budgets(base, free, 450 * MIB) == (24 * GIB - 546 * MIB, 16 * GIB - 962 * MIB)
    assert shares([30, 10]) == (0.75, 0.25)


TWO_CARDS = [32106 * MIB, 24080 * MIB]
LLAMA = facts("llama-3.1-70b")


@given(
    tokens=st.integers(8, 256).map(lambda n: n * 256),
    mode=st.sampled_from(["FP16", "Q8", "Q4", "8,4"]),
    chunk=st.sampled_from([256, 2048, 4096]),
    split=st.sampled_from([(), (29 * GIB, 22 * GIB), (22 * GIB, 22 * GIB)]),
    parallel=st.booleans(),
)
def test_intervals_are_in_order_and_nothing_is_lost(
    tokens: int, mode: str, chunk: int, split: tuple[int, ...], parallel: bool
) -> None:
    params = ExllamaParams(
        cache_size=tokens, cache_mode=mode, chunk_size=chunk, gpu_split=split, tensor_parallel=parallel
    )
    found = footprint(LLAMA, params, TWO_CARDS)
    for memory in found.devices:
        assert all(0 <= t.low <= t.best <= t.high for t in memory.terms)
    on_gpus = sum(w.size for w in LLAMA.weights if w.name != "token_embd.weight") + sum(
        w.size for layer in LLAMA.layers for w in layer.weights
    )
    weights = sum(t.best for memory in found.devices for t in memory.of(TermName.WEIGHTS))
    assert weights == pytest.approx(on_gpus, rel=1e-6)
    assert found.host.best == LLAMA.by_name["token_embd.weight"].size


def test_a_filled_gpu_stays_below_its_cap() -> None:
    """What is allocated while loading is limited, so the high bound of all but the last GPU is that limit."""
    reserve = 768 * MIB
    params = ExllamaParams(cache_size=32768, cache_mode="Q8", autosplit_reserve=(reserve, reserve))
    first, last = footprint(LLAMA, params, TWO_CARDS).devices
    assert first.high <= TWO_CARDS[0] - reserve
    assert last.high <= TWO_CARDS[1] - reserve


def test_more_bits_and_tokens_never_take_less() -> None:
    def high(bpw: float, tokens: int) -> int:
        devices = footprint(facts("llama-3.1-70b", bpw), ExllamaParams(cache_size=tokens), [80 * GIB]).devices
        return devices[0].high

    assert high(3.0, 8192) < high(4.0, 8192) < high(4.0, 32768)


def test_experts_in_main_memory() -> None:
    model = facts("qwen3-30b-a3b")
    plain, moved = (
        footprint(model, ExllamaParams(cache_size=8192, cpu_moe_offload_layers=n), [24 * GIB])
        for n in (0, 24)
    )
    saved = plain.devices[0].of(TermName.WEIGHTS)[0].best - moved.devices[0].of(TermName.WEIGHTS)[0].best
    assert saved == moved.host.best - plain.host.best
    assert saved > model.weight_bytes * 0.4


def test_a_draft_is_loaded_first_and_takes_its_place() -> None:
    small = alone(facts("llama-3.2-1b"), ExllamaParams(cache_size=8192))
    draft = Companion(TermName.DRAFT, small)
    params = ExllamaParams(cache_size=8192, gpu_split=(24 * GIB, 22 * GIB))
    without, with_draft = (footprint(LLAMA, params, TWO_CARDS, c).devices for c in ((), (draft,)))
    assert with_draft[0].of(TermName.DRAFT)[0].best == small[1]
    assert not with_draft[1].of(TermName.DRAFT)
    assert with_draft[0].of(TermName.WEIGHTS)[0].best < without[0].of(TermName.WEIGHTS)[0].best
    dealt = footprint(LLAMA, params, TWO_CARDS, (draft._replace(split=(GIB, GIB)),)).devices
    assert dealt[0].of(TermName.DRAFT)[0].best == small[1] // 2


def test_an_unused_gpu_takes_nothing() -> None:
    devices = footprint(facts("llama-3.1-8b"), ExllamaParams(cache_size=8192), [24 * GIB, 24 * GIB]).devices
    assert devices[1].terms == ()
