"""pydantic's complaints as messages: the path in the file, the words, the hint."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.stack import Strict
from stackgen.domain.validation import validate
from stackgen.domain.values import Duration, Name, Size
from stackgen.domain.wording import Form


class Part(Strict):
    """Something inside."""

    size: Size
    label: str = ""


class Other(Strict):
    """Something else inside."""

    path: str
    mode: Literal["ro", "rw"] = "rw"


class Whole(Strict):
    """A model with every kind of field."""

    count: Annotated[int, Field(ge=1, le=9)] = 1
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5
    step: Annotated[int, Field(multiple_of=8)] = 8
    on: bool = True
    word: Literal["one", "two"] = "one"
    level: Literal[1, 2] | None = None
    limit: Annotated[int, Field(ge=0)] | Literal["auto"] = 0
    room: Size | Literal["all"] = 0
    wait: Duration = 0
    names: list[Name] = []
    pair: Annotated[list[int], Field(min_length=2, max_length=2)] = [0, 0]
    parts: dict[Name, Part] = {}
    either: Part | Other | None = None
    loose: str | list[str] | Part = ""
    described: Annotated[str | Part, Form("a label, or a mapping with `size`")] = ""
    code: Annotated[str, Field(pattern=r"^[A-Z]+$", description="capital letters")] = "A"
    anything: dict[str, Any] = {}


def found(data: dict[str, Any]) -> list[Diagnostic]:
    value, diagnostics = validate(Whole, data, ("services", "it", "options"))
    assert (value is None) == bool(diagnostics)
    return diagnostics


def only(data: dict[str, Any]) -> Diagnostic:
    (diagnostic,) = found(data)
    return diagnostic


def test_valid_data_is_typed() -> None:
    value, diagnostics = validate(Whole, {"room": "1KiB", "parts": {"a": {"size": "2B"}}}, ())
    assert value is not None
    assert (value.room, value.parts["a"].size, diagnostics) == (1024, 2, [])


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ({"count": "lots"}, "`count` must be an integer, got the string 'lots'", None),
        ({"count": "4"}, "`count` must be an integer, got the string '4'", "remove the quotes: 4"),
        ({"count": True}, "`count` must be an integer, got true", None),
        ({"count": 1.5}, "`count` must be an integer, got 1.5", None),
        ({"count": None}, "`count` must be an integer, got nothing", "write a value, or remove the line"),
        ({"on": "no"}, "`on` must be true or false, got the string 'no'", "write false"),
        ({"names": "a"}, "`names` must be a list of strings, got the string 'a'", "write a list: [a]"),
        ({"names": ["a", 1]}, "`names[1]` must be a string, got 1", "put it in quotes"),
        ({"parts": ["a=1"]}, "`parts` must be a mapping, got a list", "write {a: 1, …}"),
        ({"parts": {"a": 3}}, "`a` must be a mapping with `size`, got 3", None),
        ({"loose": 3}, "`loose` must be a string, a list of strings or a mapping with `size`, got 3", None),
        (
            {"described": 3},
            "`described` must be a label, or a mapping with `size`, got 3",
            "put it in quotes",
        ),
    ],
)
def test_wrong_types(data: dict[str, Any], message: str, hint: str | None) -> None:
    diagnostic = only(data)
    assert (diagnostic.kind, diagnostic.message) == ("spec/type", message)
    if hint:
        assert diagnostic.hint == hint


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ({"word": "tw"}, "`word` must be `one` or `two`, got the string 'tw'", "did you mean `two`?"),
        (
            {"limit": "atuo"},
            "`limit` must be an integer or `auto`, got the string 'atuo'",
            "did you mean `auto`?",
        ),
        (
            {"room": "al"},
            "`room` must be a size such as 24GiB or `all`, got the string 'al'",
            "did you mean `all`?",
        ),
        ({"code": "ab"}, "`code` must match the pattern ^[A-Z]+$, got the string 'ab'", "capital letters"),
        ({"names": ["A B"]}, None, "such as `a-b`"),
        ({"pair": [1]}, "`pair` must have at least 2 entries, got a list", None),
        ({"wait": 5}, "`wait`: 5 has no unit; write a number and s, m, h or d, such as 30m", None),
    ],
)
def test_wrong_values(data: dict[str, Any], message: str | None, hint: str | None) -> None:
    diagnostic = only(data)
    assert diagnostic.kind == "spec/value"
    assert diagnostic.hint == hint
    if message:
        assert diagnostic.message == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"count": 10}, "`count` must be between 1 and 9, got 10"),
        ({"ratio": 1.0}, "`ratio` must be more than 0 and less than 1, got 1.0"),
        ({"step": 9}, "`step` must be a multiple of 8, got 9"),
        ({"limit": -1}, "`limit` must be at least 0, got -1"),
    ],
)
def test_ranges(data: dict[str, Any], message: str) -> None:
    diagnostic = only(data)
    assert (diagnostic.kind, diagnostic.message) == ("spec/range", message)


def test_paths_are_those_of_the_file() -> None:
    diagnostic = only({"either": {"path": "/", "mode": "rww"}})
    assert diagnostic.path == ("services", "it", "options", "either", "mode")
    assert diagnostic.hint == "did you mean `rw`?"


def test_the_member_of_a_union_that_fits_best_speaks() -> None:
    assert [d.path[-1] for d in found({"either": {"size": "1GiB", "colour": 1}})] == ["colour"]
    assert only({"loose": ["a", 1]}).path[-2:] == ("loose", 1)


def test_a_key_named_like_a_type_is_a_key() -> None:
    kinds = {(d.kind, d.path[-1]) for d in found({"loose": {"str": 1}})}
    assert kinds == {("spec/missing-key", "size"), ("spec/unknown-key", "str")}


def test_the_name_of_an_entry_is_told_at_the_key() -> None:
    diagnostic = only({"parts": {"My Part": {"size": "1B"}}})
    assert (diagnostic.at_key, diagnostic.path[-1], diagnostic.hint) == (True, "My Part", "such as `my-part`")


def test_an_unknown_key_is_at_the_key_and_has_the_nearest_name() -> None:
    diagnostic = only({"cuont": 1})
    assert (diagnostic.kind, diagnostic.at_key, diagnostic.hint) == (
        "spec/unknown-key",
        True,
        "did you mean `count`?",
    )
    assert only({"xyz": 1}).hint == f"allowed here: {', '.join(Whole.model_fields)}"


def test_a_key_that_belongs_elsewhere_is_told_so() -> None:
    assert only({"mode": "ro"}).hint == "`mode` belongs under `either`"
    assert only({"parts": {"a": {"size": "1B", "parts": 2}}}).hint == "allowed here: size, label"
    assert (
        only({"either": {"size": "1B", "count": 2}}).hint == "`count` belongs one level up, beside `either`"
    )


def test_a_misspelled_key_is_not_missing_as_well() -> None:
    assert [d.kind for d in found({"parts": {"a": {"szie": "1B"}}})] == ["spec/unknown-key"]
    assert len(found({"parts": {"a": {"colour": "1B"}}})) == 2


def test_secrets_are_never_repeated() -> None:
    token = "hf_" + "notARealToken0123456789"
    assert token not in only({"count": token}).message
    assert token not in only({"word": token}).message


def test_long_values_are_cut() -> None:
    assert len(only({"count": "x" * 500}).message) < 120


def test_everything_is_told_at_once() -> None:
    assert len(found({"count": 0, "on": 1, "xyz": 1, "parts": {"a": {}}})) == 4
