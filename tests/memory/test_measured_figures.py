"""What becomes of our figures when the engine has spoken."""

from dataclasses import replace

import pytest

from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Basis, Memory, TermName
from stackgen.domain.llama import LlamaParams, LlamaProcess
from stackgen.domain.units import GIB, MIB
from stackgen.domain.witness import Statement, Usage
from stackgen.memory.llama import footprint
from stackgen.memory.measured import answer, corrected, stated
from stackgen.memory.question import arguments, as_asked
from stackgen.memory.witness import usage
from tests.support.oracle import facts_of

TWO = (24 * GIB, 12 * GIB)
ONE_SLOT = LlamaParams(n_ctx=8192, n_parallel=1, kv_unified=False)


def process(params: LlamaParams = ONE_SLOT, free: tuple[int, ...] = TWO) -> LlamaProcess:
    return LlamaProcess(params=params, gpus=(), free=free)


def statement(facts: ModelFacts, asked: LlamaProcess, *apart: int) -> Statement:
    """Our own figures for the tool's question; those of the first device moved by so many MiB."""
    found = footprint(facts, as_asked(asked.params, asked.free), asked.free)
    first, *others = map(usage, found.devices)
    moved = Usage(*(a + b for a, b in zip(first.values, apart or (0, 0, 0), strict=True)))
    words = arguments(asked.params, asked.free)
    return Statement(build="b1", asked=words, devices=(moved, *others), host=usage(found.host))


def of(memory: Memory, name: TermName) -> tuple[int, int, int, Basis]:
    term = memory.of(name)[0]
    return term.low, term.best, term.high, term.basis


def test_an_answer_is_for_its_arguments_and_devices() -> None:
    said = statement(facts_of("llama-3.1-8b"), process())
    assert answer(process(), [said]) is said
    assert answer(process(free=(24 * GIB, 24 * GIB)), [said]) is None
    assert answer(process(free=TWO[:1]), [said]) is None
    assert answer(process(ONE_SLOT._replace(type_k="q8_0")), [said]) is None
    size = footprint(facts_of("llama-3.1-8b"), ONE_SLOT, TWO)
    assert corrected(size, facts_of("llama-3.1-8b"), process(free=TWO[:1]), [said]) is size


@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen3-coder-next-80b-a3b"])
def test_what_the_engine_confirms_is_ours_to_the_byte(model: str) -> None:
    facts = facts_of(model)
    size = footprint(facts, ONE_SLOT, TWO)
    after = corrected(size, facts, process(), [statement(facts, process())])
    for was, now in zip((*size.devices, size.host), (*after.devices, after.host), strict=True):
        assert (was.low, was.best, was.high) == (now.low, now.best, now.high)
        for name in (TermName.WEIGHTS, TermName.KV, TermName.RECURRENT, TermName.COMPUTE):
            assert of(now, name) == (*of(was, name)[:3], Basis.MEASURED)


def test_what_it_says_otherwise_counts_on_that_device_alone() -> None:
    facts = facts_of("qwen3-coder-next-80b-a3b")
    size = footprint(facts, ONE_SLOT, TWO)
    after = corrected(size, facts, process(), [statement(facts, process(), 10, -20, 40)])
    was, now = size.devices[0], after.devices[0]
    assert of(now, TermName.WEIGHTS)[:2] == tuple(n + 10 * MIB for n in of(was, TermName.WEIGHTS)[:2])
    assert of(now, TermName.KV)[1] == of(was, TermName.KV)[1] - 20 * MIB
    assert of(now, TermName.RECURRENT)[:3] == of(was, TermName.RECURRENT)[:3]
    low, best, high, _ = of(now, TermName.COMPUTE)
    assert low == of(was, TermName.COMPUTE)[0]
    assert best == of(was, TermName.COMPUTE)[1] + 40 * MIB
    assert high > best
    assert after.devices[1].high == size.devices[1].high


def test_a_confirmed_buffer_has_a_narrow_interval() -> None:
    facts = facts_of("llama-3.1-8b")
    unchecked = replace(facts, traits=tuple(t for t in facts.traits if t != "checked"))
    size = footprint(unchecked, ONE_SLOT, TWO)
    after = corrected(size, unchecked, process(), [statement(unchecked, process())])
    assert of(size.devices[0], TermName.COMPUTE)[2] > of(size.devices[0], TermName.COMPUTE)[1] * 5 // 4
    assert (
        of(after.devices[0], TermName.COMPUTE)[:3]
        == of(footprint(facts, ONE_SLOT, TWO).devices[0], TermName.COMPUTE)[:3]
    )


def test_it_stays_wide_where_the_tool_asks_for_another_graph() -> None:
    """Four slots that share a cache are one sequence for the tool."""
    facts = facts_of("llama-3.1-8b")
    unchecked = replace(facts, traits=tuple(t for t in facts.traits if t != "checked"))
    shared = process(LlamaParams(n_ctx=8192))
    size = footprint(unchecked, shared.params, TWO)
    after = corrected(size, unchecked, shared, [statement(unchecked, shared)])
    assert of(after.devices[0], TermName.COMPUTE)[:3] == of(size.devices[0], TermName.COMPUTE)[:3]


def test_a_model_that_no_rule_explains_has_the_engines_figures() -> None:
    words = arguments(ONE_SLOT, TWO)
    usages = (Usage(100, 20, 30), Usage(90, 10, 40))
    said = Statement(build="b1", asked=words, devices=usages, host=Usage(5, 0, 6))
    found = stated(process(), [said])
    assert found is not None
    assert [m.low for m in found.devices] == [150 * MIB, 140 * MIB]
    assert all(m.low < m.high < m.low + 6 * MIB for m in (*found.devices, found.host))
    assert {t.basis for m in found.devices for t in m.terms} == {Basis.MEASURED}


@pytest.mark.parametrize(
    "params",
    [
        LlamaParams(n_ctx=8192),
        ONE_SLOT._replace(spec_type="draft-mtp"),
        ONE_SLOT._replace(embeddings=True),
    ],
)
def test_but_not_where_the_server_is_asked_for_more(params: LlamaParams) -> None:
    said = Statement(build="b1", asked=arguments(params, TWO), devices=(Usage(), Usage()), host=Usage())
    assert answer(process(params), [said]) is said
    assert stated(process(params), [said]) is None
