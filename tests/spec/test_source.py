"""YAML text -> data and positions."""

import math
from textwrap import dedent
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.domain.diagnostic import Diagnostic, Position, StackError
from stackgen.domain.source import WHOLE_FILE, Source
from stackgen.spec import nodes
from stackgen.spec.source import MAX_ALIASED, read
from tests.support.example_stack import EXAMPLE


def source(text: str) -> Source:
    return read("stack.yaml", dedent(text))


def wrong(text: str) -> list[Diagnostic]:
    with pytest.raises(StackError) as caught:
        read("stack.yaml", text)
    return list(caught.value.diagnostics)


def test_every_key_and_value_has_a_place() -> None:
    places = source(
        """\
        hosts:
          box: {gpus: [rtx-3090, {model: "rtx-4090"}]}
          pc:
            gpus:
              - rtx-3060
        """
    ).positions
    assert places.keys["hosts",] == places.values["hosts",] == Position(1, 1, 5)
    assert places.keys["hosts", "box"] == Position(2, 3, 3)
    assert places.values["hosts", "box"] == Position(2, 8)
    assert places.keys["hosts", "box", "gpus"] == Position(2, 9, 4)
    assert places.values["hosts", "box", "gpus", 0] == Position(2, 16, 8)
    assert places.keys["hosts", "box", "gpus", 1, "model"] == Position(2, 27, 5)
    assert places.values["hosts", "box", "gpus", 1, "model"] == Position(2, 34, 10)
    assert places.values["hosts", "pc", "gpus"] == Position(4, 5, 4)
    assert places.values["hosts", "pc", "gpus", 0] == Position(5, 9, 8)


def test_a_missing_path_is_at_its_nearest_ancestor() -> None:
    places = source("services:\n  llama: {host: box}\n").positions
    assert places.locate(("services", "llama", "engine")) == places.keys["services", "llama"]
    assert places.locate(("services", "llama", "host")) == places.values["services", "llama", "host"]
    assert (
        places.locate(("services", "llama", "host"), at_key=True) == places.keys["services", "llama", "host"]
    )
    assert places.locate(("nothing",)).width == 0


def test_an_empty_value_is_at_its_key() -> None:
    places = source("models:\nhosts: {}\n").positions
    assert places.values["models",] == Position(1, 1, 6)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        # Where YAML 1.1 saw something else.
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("OFF", "OFF"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("192.168.1.1", "192.168.1.1"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2026-02-10", "2026-02-10"),
        ("2026-02-10T10:00:00Z", "2026-02-10T10:00:00Z"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("4x", "4x"),
        ("-", "-"),
        ("+", "+"),
        (".", "."),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_words_follow_the_core_schema(text: str, value: Any) -> None:
    data = read("stack.yaml", f"key: {text}\n" if text != "-" else 'key: "-"\n').data["key"]
    assert (data, type(data)) == (value, type(value))


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(read("stack.yaml", "key: .nan").data["key"])


def test_the_example_reads_as_other_parsers_read_it() -> None:
    assert read("stack.yaml", EXAMPLE).data == pyyaml.safe_load(EXAMPLE)


def test_an_alias_stands_where_it_is_and_its_parts_where_they_are_written() -> None:
    read_ = source(
        """\
        a: &a {parallel: 1}
        b: *a
        """
    )
    assert read_.data == {"a": {"parallel": 1}, "b": {"parallel": 1}}
    assert read_.data["a"] is not read_.data["b"]
    assert read_.positions.values["b",] == Position(2, 4, 2)
    assert read_.positions.keys["b", "parallel"] == read_.positions.keys["a", "parallel"] == Position(1, 8, 8)


def test_a_merge_adds_what_is_not_there() -> None:
    read_ = source(
        """\
        one: &one {x: 1, y: 1}
        two: &two {y: 2, z: 2}
        both:
          x: own
          <<: [*one, *two]
        nested:
          <<: {<<: *one, y: inline}
          w: 0
        """
    )
    assert read_.data["both"] == {"x": "own", "y": 1, "z": 2}
    assert read_.data["nested"] == {"y": "inline", "x": 1, "w": 0}
    places = read_.positions
    assert places.keys["both", "x"] == Position(4, 3, 1)
    assert places.keys["both", "y"] == places.keys["one", "y"]
    assert places.keys["both", "z"] == places.keys["two", "z"]
    assert ("both", "<<") not in places.keys


def test_a_quoted_merge_key_is_a_key() -> None:
    assert source('a: {"<<": 1}\n').data == {"a": {"<<": 1}}


def test_a_duplicate_key_names_the_first_place() -> None:
    (found,) = wrong("a: 1\nb: 2\na: 3\n")
    assert (found.kind, found.path, found.position) == ("spec/yaml", ("a",), Position(3, 1))
    assert found.related == ((Position(1, 1), "first defined here"),)


def test_a_mistake_in_an_anchor_is_told_once() -> None:
    assert len(wrong("a: &a {x: 1, x: 2, 3: 4}\nb: *a\nc: {<<: *a}\n")) == 2


def test_everything_apart_from_syntax_is_told_at_once() -> None:
    found = wrong("1: a\nb: !x y\nb: *nothing\n? [c]\n: d\n")
    assert [(d.position.line, d.position.column) for d in found if d.position] == [
        (2, 4),
        (3, 4),
        (1, 1),
        (3, 1),
        (4, 3),
    ]


def test_nesting_and_aliases_are_bounded() -> None:
    assert read("stack.yaml", "a: " + "[" * (nodes.MAX_DEPTH - 1) + "]" * (nodes.MAX_DEPTH - 1)).data
    (deep,) = wrong("a: " + "[" * 100_000)
    assert "64 levels" in deep.message
    (many,) = wrong(f"a: &a [{'x, ' * 1000}]\nb: [{'*a, ' * (MAX_ALIASED // 1000 + 1)}]\n")
    assert str(MAX_ALIASED) in many.message
    assert many.position == Position(2, 5 + 4 * (MAX_ALIASED // 1001), 2)


def test_aliases_that_lead_to_aliases_are_bounded() -> None:
    merges = (f"a{i}: &a{i} {{<<: *a{i - 1}, k{i}: 0}}\n" for i in range(1, 100))
    (merged,) = wrong("a0: &a0 {k0: 0}\n" + "".join(merges))
    assert (merged.message, merged.position) == (
        "aliases lead to aliases more than 64 times",
        Position(66, 16, 4),
    )
    deep = (f"a{i}: &a{i} {'[' * 40}*a{i - 1}{']' * 40}\n" for i in range(1, 100))
    (nested,) = wrong("a0: &a0 x\n" + "".join(deep))
    assert "more than 64 levels" in nested.message


def test_a_byte_order_mark_is_not_part_of_the_text() -> None:
    read_ = read("stack.yaml", "\ufeffa: 1\r\nb: 2\r\n")
    assert (read_.data, read_.text[0]) == ({"a": 1, "b": 2}, "a")
    assert read_.positions.keys["b",] == Position(2, 1)


FRAGMENTS = (
    *(
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "? ",
        "&x ",
        "*x",
        "<<: ",
        "'",
        '"',
        "|\n",
    ),
    *(">-\n", "#", "%", "!", "!!str ", "---\n", "...\n", "\t", "\r\n", "\r", "\\", "\\u", "\\U00110000", "é"),
    *(
        "漢",
        "\u2028",
        "\xa0",
        "0",
        "1.5",
        "%YAML 1.1\n---\n",
        "%TAG ! x\n",
        "@",
        "`",
        "=",
        "~",
        " ",
        "\ufeff",
        "\x00",
    ),
)


@given(st.text() | st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join))
@settings(deadline=None)
def test_any_text_is_read_or_refused_at_a_place_inside_it(text: str) -> None:
    try:
        found = read("stack.yaml", text)
    except StackError as exc:
        places = [d.position or WHOLE_FILE for d in exc.diagnostics]
    else:
        places = [*found.positions.keys.values(), *found.positions.values.values(), WHOLE_FILE]
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert places
    for place in places:
        assert 1 <= place.line <= len(lines)
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1
