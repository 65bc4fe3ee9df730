"""Value trees -> Nix expressions, laid out as people write NixOS modules."""

import re
import sys
from typing import Any, Final

from stackgen.domain.document import NixExpr, NixFunction
from stackgen.emit import tree
from stackgen.emit.errors import EmitError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
_SELECTION = re.compile(rf"{_IDENTIFIER.pattern}(\.{_IDENTIFIER.pattern})*")
_KEYWORDS: Final = frozenset(
    {"assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with", "__curPos"}
)
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "${": "\\${"}
_TO_ESCAPE = re.compile(r'[\\"\n\r\t]|\$\{')
# What looks good as an indented string: lines without control characters, and without blanks at their ends.
# It reads back if a line starts flush left (the indentation of all is dropped) and only `${` needs an escape.
_INDENTED = re.compile(r"(?:[^\x00-\x1f]*(?<! )\n)+")
_NOT_INDENTED = re.compile(r"''|'\$")
_FLUSH_LINE = re.compile(r"^[^ \n]", re.MULTILINE)
_SHORT_LIST: Final = 60


def dump(body: Any) -> str:
    """The text of one Nix file. Raises EmitError."""
    if isinstance(body, NixFunction):
        if wrong := [name for name in body.arguments if not _is_identifier(name)]:
            raise EmitError(f"{wrong[0]!r} is not a name of an argument")
        return f"{{ {', '.join((*body.arguments, '...'))} }}:\n\n{dump(body.body)}"
    tree.check(body, why_not, why_not_text)
    return "".join(f"{line}\n" for line in _lines(body))


def why_not(value: Any) -> str | None:
    """Why Nix cannot write this scalar, or None."""
    if isinstance(value, NixExpr):
        return why_not_text(value.text)
    if isinstance(value, str):
        return tree.why_not_scalar(value) or why_not_text(value)
    if isinstance(value, float) and 0 < abs(value) < sys.float_info.min:
        return "Nix refuses numbers this close to zero"
    return tree.why_not_scalar(value)


def why_not_text(text: str) -> str | None:
    """Why Nix cannot have this text as a string or as a name, or None."""
    return "Nix strings cannot hold the character NUL" if "\0" in text else tree.why_not_text(text)


def string(text: str) -> str:
    """A string on one line, for callers that compose a `NixExpr`."""
    return f'"{_TO_ESCAPE.sub(lambda match: _ESCAPES[match[0]], text)}"'


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        bindings = (line for key, item in value.items() for line in _binding(key, item))
        return ["{", *_indented(bindings), "}"]
    if isinstance(value, list | tuple) and value:
        items = [_item(item) for item in value]
        if all(len(item) == 1 for item in items) and sum(len(item[0]) for item in items) <= _SHORT_LIST:
            return [f"[ {' '.join(item[0] for item in items)} ]"]
        return ["[", *_indented(line for item in items for line in item), "]"]
    if isinstance(value, str) and _reads_indented(value):
        return ["''", *_indented(value.replace("${", "''${").removesuffix("\n").split("\n")), "''"]
    return [_scalar(value)]


def _binding(key: str, value: Any) -> list[str]:
    names = [_name(key)]
    while isinstance(value, dict) and len(value) == 1:
        [(key, value)] = value.items()
        names.append(_name(key))
    lines = _lines(value)
    lines[0] = f"{'.'.join(names)} = {lines[0]}"
    lines[-1] += ";"
    return lines


def _item(value: Any) -> list[str]:
    lines = _lines(value)
    negative = isinstance(value, int | float) and lines[0].startswith("-")
    if negative or (isinstance(value, NixExpr) and not _SELECTION.fullmatch(value.text)):
        lines[0] = f"({lines[0]}"
        lines[-1] += ")"
    return lines


def _indented(lines: Any) -> list[str]:
    return [f"  {line}" if line else "" for line in lines]


def _name(key: str) -> str:
    return key if _is_identifier(key) else string(key)


def _is_identifier(text: str) -> bool:
    return bool(_IDENTIFIER.fullmatch(text)) and text not in _KEYWORDS


def _reads_indented(text: str) -> bool:
    return bool(_INDENTED.fullmatch(text) and _FLUSH_LINE.search(text) and not _NOT_INDENTED.search(text))


def _scalar(value: Any) -> str:
    match value:
        case NixExpr():
            return value.text
        case str():
            return string(value)
        case dict():
            return "{ }"
        case list() | tuple():
            return "[ ]"
        case _:
            return tree.spell(value)
