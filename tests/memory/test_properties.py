"""What must hold for every model and every set of options."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackgen.domain.footprint import Footprint, Memory, TermName
from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import GIB
from stackgen.memory.errors import Refused
from stackgen.memory.llama import footprint
from tests.support.oracle import facts_of

HEADERS = (
    "llama-3.1-8b",
    "gemma-3-27b",
    "gpt-oss-20b",
    "qwen3-coder-next-80b-a3b",
    "deepseek-v2-lite",
    "granite-4.0-h-small",
    "gemma-4-e4b",
)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "n_ctx": st.sampled_from([256, 4096, 20000, 65536]),
    "n_parallel": st.sampled_from([-1, 1, 3, 8]),
    "n_ubatch": st.sampled_from([64, 512, 1024]),
    "flash_attn": st.sampled_from(["auto", "on", "off"]),
    "type_k": st.sampled_from(["f16", "q8_0"]),
    "type_v": st.sampled_from(["f16", "q8_0"]),
    "n_gpu_layers": st.sampled_from([-1, 0, 7, 99]),
    "tensor_split": st.sampled_from([(), (3.0, 1.0), (1.0, 0.0)]),
    "cpu_moe": st.booleans(),
    "kv_offload": st.booleans(),
}
# `builds` would fill all fields of a named tuple, also with what no command line means.
params = st.fixed_dictionaries(OPTIONS).map(lambda options: LlamaParams(**options))
devices = st.lists(st.sampled_from([8 * GIB, 24 * GIB, 80 * GIB]), min_size=0, max_size=3)
relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def estimated(header: str, options: LlamaParams, sizes: list[int]) -> Footprint | None:
    """The footprint, or None for what the engine would refuse."""
    try:
        return footprint(facts_of(header), options, sizes)
    except Refused:
        return None


def places(result: Footprint) -> tuple[Memory, ...]:
    """Devices and host."""
    return (*result.devices, result.host)


@relaxed
@given(header=st.sampled_from(HEADERS), options=params, sizes=devices)
def test_terms_are_intervals_and_nothing_is_negative(
    header: str, options: LlamaParams, sizes: list[int]
) -> None:
    result = estimated(header, options, sizes)
    if result is None:
        return
    assert len(result.devices) == len(sizes)
    for memory in places(result):
        for term in memory.terms:
            assert 0 <= term.low <= term.best <= term.high, term
        assert memory.low <= memory.best <= memory.high


@relaxed
@given(header=st.sampled_from(HEADERS), options=params, sizes=devices)
def test_more_context_never_needs_less(header: str, options: LlamaParams, sizes: list[int]) -> None:
    small, large = estimated(header, options, sizes), estimated(header, options._replace(n_ctx=131072), sizes)
    if small is None or large is None:
        return
    for name in (TermName.KV, TermName.RECURRENT):
        for a, b in zip(places(small), places(large), strict=True):
            assert sum(t.best for t in a.of(name)) <= sum(t.best for t in b.of(name))
    assert sum(m.best for m in places(small)) <= sum(m.best for m in places(large))


@relaxed
@given(header=st.sampled_from(HEADERS), options=params, sizes=devices)
def test_weights_are_somewhere(header: str, options: LlamaParams, sizes: list[int]) -> None:
    result = estimated(header, options, sizes)
    if result is None:
        return
    loaded = sum(t.best for m in places(result) for t in m.of(TermName.WEIGHTS))
    assert loaded >= facts_of(header).weight_bytes
