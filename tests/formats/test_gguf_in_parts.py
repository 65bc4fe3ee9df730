"""A header that arrives bit by bit: what was passed over once is not gone through again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.formats.errors import Truncated
from stackgen.formats.gguf import STRINGS_AT_ONCE, Passed, parse_header
from tests.support.gguf_builder import STRING, Typed, build_gguf

WORDS = Typed(STRING, [f"token{n}" for n in range(2 * STRINGS_AT_ONCE + 100)])
MERGES = Typed(STRING, ["x" * (n % 70) for n in range(STRINGS_AT_ONCE)])
HEADER = build_gguf(
    {
        "general.architecture": "llama",
        "tokenizer.ggml.tokens": WORDS,
        "tokenizer.ggml.merges": MERGES,
        "last": 7,
    }
)


@given(st.lists(st.integers(0, len(HEADER)), max_size=12).map(sorted))
def test_reading_in_parts_says_the_same_as_reading_at_once(lengths: list[int]) -> None:
    passed: Passed = {}
    for length in lengths:
        afresh: object
        try:
            afresh = parse_header(HEADER[:length])
        except Truncated as exc:
            afresh = exc.need
        try:
            assert parse_header(HEADER[:length], passed=passed) == afresh
        except Truncated as exc:
            assert exc.need == afresh  # noqa: PT017 - either of two outcomes
    assert parse_header(HEADER, passed=passed) == parse_header(HEADER)


def test_strings_that_were_passed_over_are_not_read_again() -> None:
    passed: Passed = {}
    with pytest.raises(Truncated):
        parse_header(HEADER[: len(HEADER) // 4], passed=passed)
    ((start, (reached, left)),) = passed.items()
    assert left == len(WORDS.value) - STRINGS_AT_ONCE
    # What lies behind is not looked at: it may as well be gone.
    blank = HEADER[:start] + bytes(reached - start) + HEADER[reached:]
    assert parse_header(blank, passed=passed) == parse_header(HEADER)
