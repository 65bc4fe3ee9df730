"""Blocks that are alike are built once; the result is that of the whole model."""

from collections.abc import Sequence

import pytest

from stackgen.api import parse_argv
from stackgen.domain.units import GIB
from stackgen.memory.geometry import geometry
from stackgen.memory.graph.allocator import peaks
from stackgen.memory.graph.lifetimes import Event, Part, fit_together
from stackgen.memory.graph.tensors import Graph
from stackgen.memory.model import worst_case
from stackgen.memory.model.builder import Builder
from stackgen.memory.model.roles import roles_of, shortened
from stackgen.memory.placement import place
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


def buffers(header: str, argv: tuple[str, ...], n_devices: int) -> list[int]:
    facts, params = facts_of(header), parse_argv(argv)
    placement = place(facts, params, (80 * GIB,) * n_devices)
    return worst_case.compute_bytes(facts, params, geometry(facts, params), placement)


@pytest.mark.parametrize("header", MODELS)
@pytest.mark.parametrize(
    ("argv", "n_devices"),
    [
        (("-c", "8192"), 1),
        (("-c", "8192"), 3),
        (("-c", "8192", "-np", "1", "-nkvo"), 2),
        (("-c", "8192", "-np", "2", "-ngl", "9", "-cmoe"), 2),
    ],
    ids=["one", "three", "cache on the host", "most on the host"],
)
def test_shortened_as_whole(
    header: str, argv: tuple[str, ...], n_devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = buffers(header, argv, n_devices)
    monkeypatch.setattr(worst_case, "roles_of", lambda facts, _: [*range(facts.n_trunk)])
    assert found == buffers(header, argv, n_devices)


@pytest.mark.parametrize(
    ("header", "n_devices", "most"),
    [
        ("llama-3.3-70b", 1, 6),
        ("deepseek-v3", 8, 36),
        ("qwen3-coder-next-80b-a3b", 4, 36),
        ("nemotron-3-nano-30b-a3b", 3, 32),
    ],
)
def test_few_blocks_are_built(
    header: str, n_devices: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    build = worst_case.build

    def counting(b: Builder, blocks: Sequence[int]) -> Graph:
        built.extend(blocks)
        return build(b, blocks)

    monkeypatch.setattr(worst_case, "build", counting)
    buffers(header, ("-c", "8192"), n_devices)
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
