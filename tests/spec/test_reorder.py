"""Two words of a text change places, and not a blank besides."""

import difflib

import pytest

from stackgen.domain.failure import Failure
from stackgen.spec.reorder import reordered
from stackgen.spec.source import read

SERVICES = "services: &s {a: 1, long-name: 2}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("exclusive: [[a, long-name]] # why\n", "exclusive: [[long-name, a]] # why\n"),
        ("exclusive: [ ['a',  \"long-name\"] ]\n", "exclusive: [ ['long-name',  \"a\"] ]\n"),
        ("exclusive:\n  - - a # day\n\n    - long-name\n", "exclusive:\n  - - long-name # day\n\n    - a\n"),
        ("exclusive:\n- [a,\n   long-name]", "exclusive:\n- [long-name,\n   a]"),
        ("# ü\nexclusive: [[a, é, long-name]]\n", "# ü\nexclusive: [[long-name, é, a]]\n"),
    ],
)
def test_only_the_words_change_places(before: str, after: str) -> None:
    source = read("stack.yaml", SERVICES + before)
    (group,) = source.data["exclusive"]
    turned = [group[-1], *group[1:-1], group[0]]
    assert reordered(source, [turned]) == SERVICES + after


def test_a_group_that_is_in_order_stays() -> None:
    text = SERVICES + "exclusive:\n  - [b, a]\n  - [c, a]\n"
    made = reordered(read("stack.yaml", text), [["a", "b"], ["c", "a"]])
    changed = [line for line in difflib.ndiff(text.splitlines(), made.splitlines()) if line[0] in "+-"]
    assert changed == ["-   - [b, a]", "+   - [a, b]"]


@pytest.mark.parametrize(
    "text",
    [
        "names: &n [a, b]\nexclusive: [*n]\n",
        "other: &a a\nexclusive: [[*a, b]]\n",
        "exclusive: [[&x a, b]]\nother: *x\n",
        'exclusive: [["\\x61", b]]\n',
    ],
)
def test_what_stands_elsewhere_or_in_other_letters_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="cannot be changed in place") as refused:
        reordered(read("stack.yaml", text), [["b", "a"]])
    assert refused.value.hint == "exclusive: [[b, a]]"
