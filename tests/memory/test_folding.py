"""Blocks that are alike are built once; the result is that of the whole model."""

from collections.abc import Sequence

import pytest

from stackgen.api import parse_argv
from stackgen.domain.facts import ModelFacts
from stackgen.domain.units import GIB
from stackgen.memory.geometry import geometry
from stackgen.memory.graph.allocator import peaks
from stackgen.memory.graph.lifetimes import Event, Part, fit_together
from stackgen.memory.graph.tensors import Graph
from stackgen.memory.model import worst_case
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.roles import roles_of, shortened
from stackgen.memory.placement import Placement, place
from tests.support.oracle import facts_of

MODELS = (
    "deepseek-v3",
    "gemma-3-27b",
    "gemma-3n-e4b",
    "granite-4.0-h-small",
    "llama-3.1-8b",
    "nemotron-3-nano-30b-a3b",
    "qwen3-coder-next-80b-a3b",
    "smollm3-3b",
)


def buffers(header: str, argv: tuple[str, ...], n_devices: int, *, offload: bool = False) -> list[int]:
    facts, params = facts_of(header), parse_argv(argv)
    placement = place(facts, params, (80 * GIB,) * n_devices)
    return worst_case.compute_bytes(facts, params, geometry(facts, params), placement, offload=offload)


def everything(facts: ModelFacts, _: Placement, *, offload: bool = False) -> list[int]:
    """Every block is one of a kind."""
    return [*range(facts.n_trunk)]


@pytest.mark.parametrize("header", MODELS)
@pytest.mark.parametrize(
    ("argv", "n_devices", "offload"),
    [
        (("-c", "8192"), 1, False),
        (("-c", "8192"), 3, False),
        (("-c", "8192", "-np", "1", "-nkvo"), 2, False),
        (("-c", "8192", "-np", "2", "-ngl", "9", "-cmoe"), 2, False),
        (("-c", "8192", "-np", "2", "-ngl", "9", "-cmoe"), 2, True),
        (("-c", "8192", "-np", "1", "-cmoe"), 2, True),
    ],
    ids=["one", "three", "cache on the host", "most on the host", "most fetched", "experts fetched"],
)
def test_shortened_as_whole(
    header: str, argv: tuple[str, ...], n_devices: int, offload: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = buffers(header, argv, n_devices, offload=offload)
    monkeypatch.setattr(worst_case, "roles_of", everything)
    assert found == buffers(header, argv, n_devices, offload=offload)


@pytest.mark.parametrize(
    ("header", "argv", "n_devices", "most"),
    [
        ("llama-3.3-70b", (), 1, 6),
        ("deepseek-v3", (), 8, 36),
        ("deepseek-v3", ("-cmoe",), 2, 16),
        ("qwen3-coder-next-80b-a3b", (), 4, 36),
        ("qwen3-coder-next-80b-a3b", ("-cmoe",), 2, 24),
        ("nemotron-3-nano-30b-a3b", (), 3, 32),
    ],
)
def test_few_blocks_are_built(
    header: str, argv: tuple[str, ...], n_devices: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    build = worst_case.build

    def counting(b: Builder, blocks: Sequence[int]) -> Graph:
        built.extend(blocks)
        return build(b, blocks)

    monkeypatch.setattr(worst_case, "build", counting)
    buffers(header, ("-c", "8192", *argv), n_devices)
    assert len(built) <= most


def test_the_way_through_all_roles() -> None:
    assert shortened("a") == [0]
    assert "".join("abbbbc"[i] for i in shortened("abbbbc")) == "abc"
    assert "".join("abcabcabd"[i] for i in shortened("abcabcabd")) == "abcabd"  # b again, since d follows b


def test_what_only_a_number_tells_is_a_role_of_its_own() -> None:
    facts = facts_of("smollm3-3b")  # every fourth block has no rotary positions
    roles = roles_of(facts, place(facts, parse_argv(("-c", "8192")), (80 * GIB,)))
    assert roles[8] != roles[9]
    assert roles[8] == roles[12]


def test_a_part_finds_what_it_gives_back_where_the_one_before_left_it() -> None:
    first, second = Event(0, 0, 64), Event(1, 0, 64)
    start = Part([first], leaves=(first,))
    block = Part([second, Event(~0, 0, 64)], enters=(first,), leaves=(second,))
    assert fit_together([start, block], [0, 1, 1, 1])
    assert peaks([start, block], [0, 1, 1, 1], 1) == [128]
    block.beyond.add(0)
    assert not fit_together([start, block], [0, 1, 1])
    assert not fit_together([Part([]), block], [0, 1])
