"""Whatever the flags and the header: a figure, or a refusal that says why. Nothing else may come out."""

from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stackgen
from stackgen.domain.header import GgufHeader
from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import GIB
from stackgen.facts.derive import derive
from stackgen.facts.keys import FactsError
from stackgen.io.local import read_gguf
from stackgen.memory.errors import Refused, UnknownArchitecture
from stackgen.memory.llama import footprint
from tests.support.oracle import TESTS

HEADERS = sorted((*(TESTS / "headers").glob("*.gguf"), *(TESTS / "oracle" / "headers").glob("*.gguf")))
DECLARED = (Refused, UnknownArchitecture, FactsError)


def option(name: str, *values: str) -> st.SearchStrategy[list[str]]:
    """The option with one of its values, or absent."""
    return st.sampled_from([[], *([name, v] for v in values)])


def switch(*names: str) -> st.SearchStrategy[list[str]]:
    """One of these switches, or none."""
    return st.sampled_from([[], *([name] for name in names)])


argv = st.tuples(
    option("-c", "0", "1", "255", "8192", "131073", "10000000"),
    option("-np", "-1", "1", "3", "8", "256", "257"),
    option("-b", "1", "32", "2048", "100000"),
    option("-ub", "0", "1", "7", "512", "4096", "100000"),
    option("-fa", "on", "off", "auto"),
    option("-ctk", "f32", "bf16", "q8_0", "q4_0", "iq4_nl"),
    option("-ctv", "f32", "bf16", "q8_0", "q5_1", "q4_1"),
    option("-ngl", "-1", "0", "1", "17", "99", "100000", "all", "auto"),
    option("-sm", "none", "layer", "row", "tensor"),
    option("-mg", "-1", "0", "1", "9"),
    option("-ts", "0", "0,0", "1", "3,1", "0,1,0", "1e-30,1", "1,1,1,1,1,1,1,1,1,1"),
    option(
        "-ot",
        ".*=CPU",
        r"blk\.\d+\.ffn_.*=CUDA1",
        "(=CPU",
        "attn=",
        "=CPU",
        r"\.weight=RPC0[1:2],x=CPU",
        "[a-",
    ),
    option("-ncmoe", "-1", "0", "3", "1000"),
    option("--pooling", "none", "mean", "cls", "last", "rank"),
    option("--spec-type", "none", "draft-mtp"),
    switch("-cmoe"),
    switch("-nkvo"),
    switch("--swa-full"),
    switch("--embeddings", "--reranking"),
    switch("--kv-unified", "--no-kv-unified"),
    switch("--no-op-offload"),
).map(lambda parts: [word for part in parts for word in part])
devices = st.lists(st.sampled_from([0, 1, 8 * GIB, 24 * GIB, 80 * GIB]), max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(header=st.sampled_from(HEADERS), flags=argv, sizes=devices)
def test_any_flags_on_any_header(header: Path, flags: list[str], sizes: list[int]) -> None:
    with suppress(*DECLARED):
        answer = stackgen.estimate(header, flags, sizes).to_dict()
        assert len(answer["devices"]) == len(sizes)
        for place in (*answer["devices"], answer["host"]):
            assert all(isinstance(size, int) and size >= 0 for size in place.values())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(header=st.sampled_from(HEADERS), data=st.data())
def test_a_header_that_lacks_something(header: Path, data: st.DataObject) -> None:
    whole = read_gguf(header)
    key = data.draw(st.sampled_from(sorted(whole.metadata)))
    kind = data.draw(
        st.sampled_from(sorted({t.name.rpartition("blk.")[2].lstrip("0123456789.") for t in whole.tensors}))
    )
    damaged = GgufHeader(
        metadata={k: v for k, v in whole.metadata.items() if k != key},
        tensors=tuple(t for t in whole.tensors if not t.name.endswith(kind)),
        file_bytes=whole.file_bytes,
    )
    for broken in (damaged, GgufHeader(metadata=whole.metadata, tensors=(), file_bytes=0)):
        with suppress(*DECLARED):
            footprint(derive(broken), LlamaParams(n_ctx=4096), [24 * GIB, 24 * GIB])
