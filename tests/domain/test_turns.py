"""Who is up of services that take turns, and in which order another one is."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.domain.turns import in_favour_of, rivals, up

GROUPS = st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True), max_size=4)


@pytest.mark.parametrize(
    ("groups", "running"),
    [
        ([["a", "b"]], {"a"}),
        ([["b", "a"]], {"b"}),
        ([["a", "b"], ["b", "c"]], {"a", "c"}),
        ([["b", "a"], ["b", "c"]], {"b"}),
        ([["a", "b"], ["c", "a"]], {"a"}),
    ],
)
def test_the_first_as_far_as_the_groups_before_allow(
    groups: Sequence[Sequence[str]], running: set[str]
) -> None:
    assert up(groups) == running


@given(GROUPS)
def test_no_two_rivals_are_up(groups: list[list[str]]) -> None:
    found = up(groups)
    assert not [
        (one, other) for one in found for other in found if one < other and rivals(groups, one, other)
    ]


@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=4, unique=True), st.data())
def test_in_one_group_any_can_be_up(group: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from(group))
    assert up(in_favour_of(wanted, [group])) == {wanted}


@given(GROUPS)
def test_a_group_keeps_its_members(groups: list[list[str]]) -> None:
    for name in "abcdef":
        found = in_favour_of(name, groups)
        assert [sorted(group) for group in found] == [sorted(group) for group in groups]
        assert all(group[0] == name for group in found if name in group)


def test_a_rival_in_a_group_before_makes_room() -> None:
    assert up(in_favour_of("s", [["r", "q"], ["s", "r"]])) == {"q", "s"}
