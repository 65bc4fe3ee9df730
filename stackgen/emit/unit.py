"""`{section: {key: value}}` -> systemd units and quadlets.

Their lines give `%`, `$`, quotes and backslashes a meaning; here text is literal, except in a `UnitRaw`.
"""

import re
from collections.abc import Iterable
from typing import Any

from stackgen.domain.document import UnitArgv, UnitRaw, UnitWords
from stackgen.emit import tree
from stackgen.emit.errors import EmitError, TreePath

_SECTION = re.compile(r"[A-Za-z][A-Za-z0-9 _-]*")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# systemd takes a line with one of these for broken UTF-8 and ignores it.
_NONCHARACTER = re.compile(
    "[\ufdd0-\ufdef" + "".join(chr(i << 16 | 0xFFFE) + chr(i << 16 | 0xFFFF) for i in range(17)) + "]"
)
_BARE_WORD = re.compile(r"[A-Za-z0-9_./:=@,+%$-]+")
_TO_ESCAPE = re.compile(r'[\x01-\x1f\x7f"\\]')
# systemd checks the path of a program on its own and expands no variables in it.
_PROGRAM = re.compile(r"""[^\x00-\x1f\x7f"'\\$@:+!|-][^\x00-\x1f\x7f"'\\$]*(?<!/)""")
# A last lone % stays as it is in every setting, and some that take `50%` know no specifiers.
_SPECIFIER = re.compile(r"%(?!\Z)")


def dump(body: Any) -> str:
    """The text of one unit file; a list repeats its key. Raises EmitError."""
    if not isinstance(body, dict):
        raise EmitError("a unit is made of sections")
    return "\n".join(_section(name, keys) for name, keys in body.items())


def why_not(text: str) -> str | None:
    """Why this text cannot be the literal value of a setting, or None."""
    if _CONTROL.search(text):
        return "a setting cannot hold line breaks or control characters"
    if text != text.strip(" \t"):
        return "blanks at the start or end are dropped"
    if text.endswith("\\"):
        return "a backslash at the end joins the next line"
    return _why_not_unicode(text)


def why_not_word(text: str) -> str | None:
    """Why this text cannot be a word of a command or of a list, or None."""
    return "a word cannot hold the character NUL" if "\0" in text else _why_not_unicode(text)


def literal(text: str) -> str:
    """Text of a setting with its `%` protected."""
    return _SPECIFIER.sub("%%", text)


def words(items: Iterable[str]) -> str:
    """Words of a list on one line, quoted where needed. Raises EmitError."""
    return " ".join(_word(item) for item in items)


def command(argv: UnitArgv) -> str:
    """The value of an `Exec*=` line that runs exactly this. Raises EmitError."""
    if not argv.words:
        raise EmitError("a command needs a program")
    program, *arguments = argv.words
    if not _PROGRAM.fullmatch(program):
        raise EmitError(f"systemd cannot run a program named {program!r}")
    return argv.prefix + words([program, *(argument.replace("$", "$$") for argument in arguments)])


def _section(name: str, keys: Any) -> str:
    if not _SECTION.fullmatch(name):
        raise EmitError("a section is named by letters, digits, `-` and `_`", (name,))
    if not isinstance(keys, dict):
        raise EmitError("a section is made of settings", (name,))
    return "".join([f"[{name}]\n", *(_setting(name, key, value) for key, value in keys.items())])


def _setting(section: str, key: str, value: Any) -> str:
    path: TreePath = (section, key)
    if not _KEY.fullmatch(key):
        raise EmitError("a setting is named by letters, digits, `-` and `_`", path)
    if isinstance(value, list | tuple):
        return "".join(_line(key, item, (*path, index)) for index, item in enumerate(value))
    return _line(key, value, path)


def _line(key: str, value: Any, path: TreePath) -> str:
    try:
        return f"{key}={_value(value)}\n"
    except EmitError as wrong:
        raise EmitError(wrong.message, path) from None


def _value(value: Any) -> str:
    if isinstance(value, UnitArgv):
        return command(value)
    if isinstance(value, UnitWords):
        return words(value.words)
    raw = value.text if isinstance(value, UnitRaw) else value
    if raw is None:
        raise EmitError("a setting needs a value")
    if reason := tree.why_not_scalar(raw) or (isinstance(raw, str) and why_not(raw)):
        raise EmitError(reason)
    if not isinstance(raw, str):
        return tree.spell(raw)
    return raw if isinstance(value, UnitRaw) else literal(raw)


def _why_not_unicode(text: str) -> str | None:
    if _NONCHARACTER.search(text):
        return "systemd refuses the code points that are no characters"
    return tree.why_not_text(text)


def _word(text: str) -> str:
    if reason := why_not_word(text):
        raise EmitError(reason)
    text = text.replace("%", "%%")
    if _BARE_WORD.fullmatch(text):
        return text
    return f'"{_TO_ESCAPE.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return {"\n": "\\n", "\t": "\\t"}.get(char) or (f"\\{char}" if char in '"\\' else f"\\x{ord(char):02x}")
