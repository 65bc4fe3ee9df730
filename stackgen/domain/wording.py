"""How values and types are called in messages."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from stackgen.domain.diagnostic import YamlPath, dotted
from stackgen.domain.secrets import masked

_LONGEST_VALUE: Final = 60


@dataclass(frozen=True, slots=True)
class Form:
    """Says in words what a value must look like; put it into `Annotated` beside a pattern or a union.

    `words` completes the sentence "x must be …"; `repair` proposes the nearest right spelling.
    """

    words: str
    repair: Callable[[str], str | None] | None = None


def subject(path: YamlPath) -> str:
    """What a message calls the thing at a path: its key, with indexes, such as `gpus[0]`."""
    start = next((i for i in range(len(path) - 1, -1, -1) if isinstance(path[i], str)), 0)
    return f"`{dotted(path[start:])}`" if path else "the file"


def shown(value: object) -> str:
    """A value in a message, never long and never a secret."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            text = masked(value)
            text = text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
            return f"the string {text!r}"
        case int() | float():
            return str(value)
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return masked(repr(value))[:_LONGEST_VALUE]


def one_of(words: Sequence[str], last: str = "or") -> str:
    """A list for a sentence: a, b or c."""
    return (
        f" {last} ".join(part for part in (", ".join(words[:-1]), words[-1]) if part) if words else "nothing"
    )


def quoted(words: Iterable[str]) -> list[str]:
    """Words between backticks."""
    return [f"`{word}`" for word in words]


def type_words(kind: Any, metadata: Sequence[Any] = ()) -> list[str]:
    """What a type accepts, in words that complete "must be …"; nothing for types that stack.yaml cannot have."""
    forms = [item.words for item in metadata if isinstance(item, Form)]
    if forms and kind is not str:
        return forms[:1]
    origin = get_origin(kind) or kind
    if origin is Literal:
        return [spelled(word) for word in get_args(kind)]
    if fields := getattr(kind, "model_fields", None):
        required = [name for name, field in fields.items() if field.is_required()] or list(fields)[:1]
        return [f"a mapping with {one_of(quoted(required), 'and')}"]
    if origin is list and get_args(kind):
        item = get_args(kind)[0]
        item = get_args(item)[0] if get_origin(item) is Annotated else item
        plural = _PLURALS.get(get_origin(item) or item)
        return [f"a list of {plural}" if plural else "a list"]
    return [_TYPES[origin]] if origin in _TYPES else []


def spelled(word: object) -> str:
    """A literal as it is written in YAML, between backticks."""
    return f"`{str(word).lower() if isinstance(word, bool) else word}`"


_TYPES: Final[dict[Any, str]] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    list: "a list",
    tuple: "a list",
    set: "a list",
    frozenset: "a list",
    dict: "a mapping",
}
_PLURALS: Final[dict[Any, str]] = {
    str: "strings",
    int: "integers",
    float: "numbers",
    list: "lists",
    dict: "mappings",
}
