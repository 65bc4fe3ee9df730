"""The question that llama-fit-params can answer: what we make of a server's options, and our figures for it."""

import json
import sys

import pytest

from stackgen.api import estimate, parse_argv
from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import GIB
from stackgen.domain.witness import TOLERANCE, Statement, Usage
from stackgen.facts.derive import derive
from stackgen.io.local import read_gguf
from stackgen.memory.geometry import geometry
from stackgen.memory.llama import footprint
from stackgen.memory.question import as_asked, left_out
from stackgen.memory.witness import compare, usage
from tests.support.oracle import TESTS, case, facts_of

SAID = {
    row["id"]: row["mib"]
    for row in map(json.loads, (TESTS / "oracle" / "tool_public.jsonl").read_text().splitlines())
}
NOTHING_SAID = Statement(build="b1", asked=(), devices=(Usage(),), host=Usage())


def test_figures_for_the_tools_own_question(capsys: pytest.CaptureFixture[str]) -> None:
    """A ratchet: places whose three terms are all within 1 MiB of what the tool prints."""
    right, off = 0, []
    for name, places in SAID.items():
        c = case(name)
        facts = derive(read_gguf(c.header))
        found = footprint(facts, as_asked(parse_argv(c.argv), c.devices), c.devices)
        for i, (memory, mib) in enumerate(zip((*found.devices, found.host), places, strict=True)):
            apart = max(abs(a - b) for a, b in zip(usage(memory).values, mib, strict=True))
            right += apart <= TOLERANCE
            off += [(apart, f"{name} {c.header.stem} place {i}")] if apart > TOLERANCE else []
    with capsys.disabled():
        sys.stdout.write(
            f"\nllama-fit-params: {right} of {right + len(off)} places within 1 MiB; worst {max(off)}"
        )
    assert right / (right + len(off)) >= 0.965


def test_weights_and_context_are_the_servers_own_without_slots_that_share() -> None:
    """Only the logits differ, so the comparison speaks of the deployment."""
    c = case("pub-047")
    facts, params = derive(read_gguf(c.header)), parse_argv((*c.argv, "-np", "2"))
    server = footprint(facts, params, c.devices)
    tool = footprint(facts, as_asked(params, c.devices), c.devices)
    for ours, theirs in zip(server.devices, tool.devices, strict=True):
        assert usage(ours).values[:2] == usage(theirs).values[:2]


def test_every_token_is_an_output_row() -> None:
    facts, params = facts_of("llama-3.1-8b"), LlamaParams(n_ctx=8192, n_parallel=2)
    assert geometry(facts, params).n_outputs == 2
    assert geometry(facts, as_asked(params, [24 * GIB])).n_outputs == 512


@pytest.mark.parametrize(
    ("params", "slots"),
    [
        (LlamaParams(), 1),
        (LlamaParams(kv_unified=False), 4),
        (LlamaParams(n_parallel=3), 3),
        (LlamaParams(n_parallel=3, kv_unified=True), 1),
    ],
)
def test_slots_that_share_a_cache_are_one_sequence(params: LlamaParams, slots: int) -> None:
    assert as_asked(params, []).n_parallel == slots


def test_the_split_between_unlike_gpus_is_spelled_out() -> None:
    assert as_asked(LlamaParams(), [24 * GIB, 12 * GIB]).tensor_split == (24.0 * GIB, 12.0 * GIB)
    assert as_asked(LlamaParams(tensor_split=(3, 1)), [24 * GIB, 24 * GIB]).tensor_split == (3, 1)
    assert as_asked(LlamaParams(), [24 * GIB]).tensor_split == ()


def test_what_is_left_out_is_said() -> None:
    assert [text.split()[0] for text in left_out(LlamaParams())] == ["logits", "one"]
    assert "speculative" in left_out(LlamaParams(n_parallel=1, spec_type="draft-mtp"))[-1]
    assert left_out(LlamaParams(n_parallel=1, embeddings=True)) == ("no pooling of embeddings",)


def test_a_difference_beyond_rounding_is_one() -> None:
    facts = facts_of("llama-3.1-8b")
    ours = usage(footprint(facts, as_asked(LlamaParams(n_ctx=4096), [24 * GIB]), [24 * GIB]).devices[0])
    for apart, differs in ((1, False), (2, True), (-2, True)):
        theirs = Usage(ours.model, ours.context, ours.compute - apart)
        host = usage(footprint(facts, as_asked(LlamaParams(n_ctx=4096), [24 * GIB]), [24 * GIB]).host)
        said = Statement(build="b1", asked=(), devices=(theirs,), host=host)
        compared = compare("x", facts, LlamaParams(n_ctx=4096), [24 * GIB], said)
        assert compared.differs is differs
        assert compared.places[0].differences == (0, 0, apart)
        assert [p.name for p in compared.places] == ["GPU 0", "host"]


def test_numbers_of_gpus_are_those_of_the_host() -> None:
    compared = compare("x", facts_of("llama-3.1-8b"), LlamaParams(), [24 * GIB], NOTHING_SAID, [2])
    assert compared.places[0].name == "GPU 2"


def test_what_we_cannot_tell_leaves_the_engines_figures() -> None:
    refused = LlamaParams(flash_attn="off", type_v="q8_0")
    compared = compare("x", facts_of("llama-3.1-8b"), refused, [24 * GIB], NOTHING_SAID)
    assert compared.why_not is not None
    assert "flash attention" in compared.why_not
    assert not compared.differs
    assert compare("x", None, refused, [24 * GIB], NOTHING_SAID).why_not == "nothing is known of this model"


def test_the_estimate_is_the_servers_own_question() -> None:
    """The fields that only the tool's question sets do not leak into a plain estimate."""
    answer = estimate(case("pub-047").header, ["-c", "4096"], [24 * GIB])
    assert answer.params.all_outputs is False
