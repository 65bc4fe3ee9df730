"""The kinds of values that options take: read from YAML, parsed from arguments, spelled for the engine."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from stackgen.domain.wording import one_of, quoted, shown

Value = bool | int | float | str | tuple[int | float | str, ...]
"""An option's value in its canonical form; lists are tuples."""

ON: Final = ("on", "enabled", "true", "1")
OFF: Final = ("off", "disabled", "false", "0")


class Kind(NamedTuple):
    """One kind of value. `read` and `parse` raise ValueError with what must be there instead."""

    read: Callable[[Any], Value]
    """From a YAML value."""
    parse: Callable[[str], Value]
    """From a word of a command line, or from an environment variable."""
    spell: Callable[[Value], str]
    """As the engine reads it."""
    schema: Mapping[str, Any]
    takes_value: bool = True
    """False for what a command line only names."""


def must_be(words: str, value: object) -> ValueError:
    """The complaint about a value that is none of what `words` say."""
    return ValueError(f"must be {words}, got {shown(value)}")


def is_int(value: object) -> bool:
    """Whether this is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def comma_joined(value: Value) -> str:
    """A list as the engine reads it; anything else as it is."""
    if not isinstance(value, tuple):
        return str(value)
    return ",".join(f"{v:.10g}" if isinstance(v, float) else str(v) for v in value)


def words(allowed: list[str], *, several: bool = False) -> Kind:
    """One of these words, or several of them."""
    switches = {"on", "off"} <= set(allowed)
    wanted = ("a list of " if several else "") + one_of(quoted(allowed))

    def check(value: Any) -> str:
        # YAML 1.1 habits: people write `flash_attn: true` where the engine says on.
        if switches and isinstance(value, bool):
            return "on" if value else "off"
        if not isinstance(value, str) or value not in allowed:
            raise must_be(wanted, value)
        return value

    def parse(word: str) -> str:
        if switches and word in ON + OFF:
            return "on" if word in ON else "off"
        return check("auto" if switches and word == "-1" and "auto" in allowed else word)

    one = {"enum": [*allowed, *((True, False) if switches else ())]}
    if not several:
        return Kind(read=check, parse=parse, spell=str, schema=one)
    return Kind(
        read=lambda value: tuple(check(v) for v in (value if isinstance(value, list) else [value])),
        parse=lambda text: tuple(check(word) for word in text.split(",")),
        spell=comma_joined,
        schema={"anyOf": [one, {"type": "array", "items": one}]},
    )


def switch(*, takes_value: bool) -> Kind:
    """True or false."""
    wanted = "`true` or `false`"

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise must_be(wanted, value)
        return value

    def parse(word: str) -> bool:
        if word not in ON + OFF:
            raise must_be(wanted, word)
        return word in ON

    return Kind(
        read=read,
        parse=parse,
        spell=lambda value: "true" if value else "false",
        schema={"type": "boolean"},
        takes_value=takes_value,
    )


_TEXT: Final = {"type": "string"}


def text() -> Kind:
    """Any text."""
    return Kind(read=_read_text, parse=str, spell=str, schema=_TEXT)


def texts() -> Kind:
    """Texts that the engine divides at commas."""
    return Kind(
        read=_read_texts,
        parse=str,
        spell=comma_joined,
        schema={"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
    )


def json_text() -> Kind:
    """JSON, as text or as the mapping itself."""
    return Kind(
        read=_read_json,
        parse=_parse_json,
        spell=str,
        schema={"anyOf": [{"type": "object"}, {"type": "array"}, _TEXT]},
    )


def _read_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    quotes = "; put it in quotes" if isinstance(value, bool | int | float) else ""
    raise ValueError(f"{must_be('text', value)}{quotes}")


def _read_texts(value: Any) -> Value:
    if not isinstance(value, list):
        return _read_text(value)
    for item in value:
        if not isinstance(item, str) or "," in item:
            raise must_be("text, or a list of texts without commas", item)
    return tuple(value)


def _read_json(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, str):
        return _parse_json(value)
    raise must_be("a mapping, or JSON as text", value)


def _parse_json(text: str) -> str:
    try:
        json.loads(text)
    except ValueError:
        raise must_be("JSON", text) from None
    return text
