"""Findings as text, JSON and GitHub annotations."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.domain.diagnostic import Diagnostic, Position, Severity, error, warning
from stackgen.domain.source import Source
from stackgen.report.diagnostics import as_dicts, count, github, show
from stackgen.report.excerpt import excerpt
from stackgen.spec.source import read

TEXT = """\
version: 1
hosts:
  box: {gpus: [rtx-3090, rtx-309]}
"""
SOURCE = read("stacks/rig.yaml", TEXT)
WRONG = error(
    "link/unknown-gpu", ("hosts", "box", "gpus", 1), "there is no GPU `rtx-309`", "did you mean `rtx-3090`?"
)
LOOSE = warning("link/unused-host", ("hosts", "box"), "no service uses the host `box`", at_key=True)


def plain(*found: Diagnostic, width: int = 100, source: Source = SOURCE) -> str:
    return show(found, source, width=width, color=False)


def test_a_finding_shows_its_line_in_the_order_of_the_file() -> None:
    assert plain(WRONG, LOOSE) == (
        "stacks/rig.yaml:3:3: warning: no service uses the host `box` [link/unused-host]\n"
        "   3 |   box: {gpus: [rtx-3090, rtx-309]}\n"
        "     |   ^^^\n"
        "\n"
        "stacks/rig.yaml:3:26: error: there is no GPU `rtx-309` [link/unknown-gpu]\n"
        "   3 |   box: {gpus: [rtx-3090, rtx-309]}\n"
        "     |                          ^^^^^^^\n"
        "  hint: did you mean `rtx-3090`?\n"
        "\n"
        "1 error, 1 warning\n"
    )


def test_nothing_found_is_nothing_printed() -> None:
    assert plain() == ""
    assert github([], SOURCE) == ""
    assert as_dicts([], SOURCE) == []


def test_what_concerns_the_whole_file_shows_no_line() -> None:
    assert plain(error("spec/missing-key", ("name",), "`name` is missing")) == (
        "stacks/rig.yaml:1:1: error: `name` is missing [spec/missing-key]\n\n1 error\n"
    )


def test_related_places_are_named() -> None:
    found = error(
        "x/y", ("hosts",), "twice", related=((("version",), "the first"), (Position(3, 1), "the third"))
    )
    assert "  see line 1: the first\n  see line 3: the third\n" in plain(found)


def test_the_same_finding_at_the_same_place_is_told_once() -> None:
    again = error(WRONG.kind, ("hosts", "box", "gpus", 1), WRONG.message)
    assert count([WRONG, again]) == "2 errors"
    assert plain(WRONG, again).endswith("\n1 error\n")


def test_severities_are_counted() -> None:
    note = Diagnostic(kind="a/b", severity=Severity.NOTE, path=(), message="m")
    assert count([WRONG, note, LOOSE, LOOSE]) == "1 error, 2 warnings, 1 note"


def test_colors_only_when_asked_and_only_colors() -> None:
    colored = show([WRONG, LOOSE], SOURCE, width=100, color=True)
    assert "\x1b[1;31merror:\x1b[0m" in colored
    assert "\x1b[1;33mwarning:\x1b[0m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain(WRONG, LOOSE)


@pytest.mark.parametrize("width", [1, 40, 60, 80, 200])
def test_lines_fit_the_terminal(width: int) -> None:
    long = error("x/y", ("hosts", "box", "gpus", 1), "some words " * 20, "and more words " * 20)
    assert max(map(len, plain(long, width=width).splitlines())) <= max(width, 40)


def test_long_words_are_not_broken() -> None:
    address = "https://huggingface.co/" + "x" * 60
    assert address in plain(error("x/y", ("version",), f"see {address}"), width=40)


def test_values_in_the_line_are_not_reformatted() -> None:
    assert "two  spaces" in plain(error("x/y", ("version",), "the string 'two  spaces'"))


def test_control_characters_do_not_reach_the_terminal() -> None:
    source = Source("stack.yaml", "name: \x1b[31mred\u202e\n")
    shown = plain(
        Diagnostic(kind="x/y", severity=Severity.ERROR, path=(), message="m", position=Position(1, 7)),
        source=source,
    )
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_secrets_in_other_lines_are_masked() -> None:
    token = "hf_" + "notARealToken0123456789"
    source = read("stack.yaml", f"a: {{b: 1, c: {token}}}\n")
    assert token not in plain(error("x/y", ("a", "b"), "wrong"), source=source)


def test_json_has_the_fields_of_the_contract() -> None:
    assert as_dicts([WRONG, error("spec/missing-key", ("name",), "`name` is missing")], SOURCE) == [
        {
            "kind": "spec/missing-key",
            "severity": "error",
            "path": "name",
            "line": 1,
            "column": 1,
            "message": "`name` is missing",
            "hint": None,
        },
        {
            "kind": "link/unknown-gpu",
            "severity": "error",
            "path": "hosts.box.gpus[1]",
            "line": 3,
            "column": 26,
            "message": "there is no GPU `rtx-309`",
            "hint": "did you mean `rtx-3090`?",
        },
    ]


def test_github_commands_are_escaped() -> None:
    source = Source("a,b:c%.yaml", "")
    found = error("x/y", (), "100 %\nmore: a, b", "do\rthis")
    assert github([found], source) == (
        "::error file=a%2Cb%3Ac%25.yaml,line=1,col=1,title=x/y::100 %25%0Amore: a, b%0Ahint: do%0Dthis\n"
    )
    note = Diagnostic(kind="a/b", severity=Severity.NOTE, path=("hosts",), message="m")
    assert github([LOOSE, note], SOURCE).splitlines() == [
        "::notice file=stacks/rig.yaml,line=2,col=1,title=a/b::m",
        "::warning file=stacks/rig.yaml,line=3,col=3,title=link/unused-host::no service uses the host `box`",
    ]


@pytest.mark.parametrize(
    ("line", "column", "length", "room", "expected"),
    [
        ("a: b", 4, 1, 80, ("a: b", "   ^")),
        ("\ta: b", 2, 1, 80, ("    a: b", "    ^")),
        ("ab\tc", 4, 1, 80, ("ab  c", "    ^")),
        ("漢字: x", 5, 1, 80, ("漢字: x", "      ^")),
        ("e\u0301: x", 5, 1, 80, ("e\u0301: x", "   ^")),
        ("a:", 3, 1, 80, ("a:", "  ^")),
        ("a:", 9, 1, 80, ("a:", "  ^")),
        ("0123456789", 1, 2, 8, ("0123456…", "^^")),
        ("0123456789", 10, 1, 8, ("…456789", "      ^")),
        ("0123456789", 1, 10, 8, ("0123456…", "^^^^^^^")),
    ],
)
def test_excerpts(line: str, column: int, length: int, room: int, expected: tuple[str, str]) -> None:
    assert excerpt(line, column, length, room) == expected


@given(
    st.text(st.characters(exclude_characters="\r\n")),
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(20, 200),
)
@settings(deadline=None)
def test_an_excerpt_fits_and_its_mark_is_below_it(line: str, column: int, length: int, room: int) -> None:
    text, marks = excerpt(line, column, length, room)
    assert width(text) <= room
    assert len(marks) <= max(width(text), 1) + 1
    assert marks.strip(" ").strip("^") == ""
    assert "^" in marks


@given(st.text(max_size=200), st.text(max_size=50), st.integers(1, 120))
@settings(deadline=None)
def test_any_message_can_be_shown(message: str, hint: str, width_: int) -> None:
    assert plain(error("x/y", ("version",), message, hint or None), width=width_).endswith("1 error\n")


def width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
