"""Value trees -> block-style YAML that YAML 1.1 and YAML 1.2 readers read alike.

Libraries write for one of the two: the text `no` or `1:30` comes back as false or 90 from the other one.
"""

import re
from typing import Any, Final

from stackgen.domain.document import YamlStream
from stackgen.emit import tree

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@-]*")
_RESERVED: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# No control characters, other line ends, byte order mark, and nothing that is invisible or turns text around.
# Spelled out, because str.isprintable() depends on the version of Python.
_VISIBLE: Final = (
    r" -~\xa0-\u200a\u2010-\u2027\u202f-\u205f\u2070-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
)
_TO_ESCAPE = re.compile(rf'["\\]|[^{_VISIBLE}]')
# Text that survives as it is: starts with something, no line ends in blanks, nothing to escape.
_LITERAL = re.compile(rf"(?=[^\s])(?:[\t{_VISIBLE}]*(?<![ \t])\n)+(?:[\t{_VISIBLE}]*(?<![ \t]))?")
_MAX_KEY: Final = 1024
"""Characters that YAML allows for a key that fits on one line with its value."""


def dump(body: Any) -> str:
    """The text of one document, or of every document of a `YamlStream`. Raises EmitError."""
    if isinstance(body, YamlStream):
        return "".join(f"---\n{dump(document)}" for document in body.documents)
    tree.check(body, why_not_key=why_not_key)
    return "".join(f"{line}\n" for line in _lines(body))


def why_not_key(key: str) -> str | None:
    """Why YAML cannot have this text as a key."""
    if len(_line(key)) > _MAX_KEY:
        return f"longer than the {_MAX_KEY} characters that YAML allows"
    return tree.why_not_text(key)


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in _entry(f"{_line(key)}:", item)]
    if isinstance(value, list | tuple) and value:
        return [line for item in value for line in _item(_lines(item))]
    if isinstance(value, str) and _LITERAL.fullmatch(value):
        return _literal(value)
    return [_scalar(value)]


def _entry(head: str, value: Any) -> list[str]:
    first, *rest = lines = _lines(value)
    if isinstance(value, dict | list | tuple) and value:
        return [head, *_indented(lines)]
    return [f"{head} {first}", *rest]


def _item(lines: list[str]) -> list[str]:
    return [f"- {lines[0]}", *_indented(lines[1:])]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" if line else "" for line in lines]


def _literal(text: str) -> list[str]:
    stripped = text.rstrip("\n")
    chomping = {0: "-", 1: ""}.get(len(text) - len(stripped), "+")
    lines = text.removesuffix("\n").split("\n")
    return [f"|{chomping}", *_indented(lines)]


def _scalar(value: Any) -> str:
    match value:
        case str():
            return _line(value)
        case dict():
            return "{}"
        case list() | tuple():
            return "[]"
        case _:
            return tree.spell(value)


def _line(text: str) -> str:
    """Text on one line: plain where no reader can take it for something else, double-quoted otherwise."""
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    return f'"{_TO_ESCAPE.sub(lambda match: _escape(match[0]), text)}"'


def _escape(char: str) -> str:
    code = ord(char)
    return _ESCAPES.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
