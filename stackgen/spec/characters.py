"""Which characters may be in a stack file, and how the form of one is complained about."""

import re
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, Position, Severity
from stackgen.domain.secrets import masked

LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")


def problem(position: Position, message: str, hint: str | None = None) -> Diagnostic:
    """A finding about the text itself."""
    return Diagnostic(
        kind="spec/yaml",
        severity=Severity.ERROR,
        path=(),
        message=masked(message),
        hint=hint and masked(hint),
        position=position,
    )


def unusable(text: str) -> int | None:
    """The index of the first character that may not be in a value, if there is one.

    Controls, half characters, and the line breaks that only some programs take for line breaks.
    """
    # A regular expression with such ranges takes longer to compile than a stack takes to read.
    found = [text.index(character) for character in set(text) if not _is_usable(character)]
    return min(found, default=None)


def _is_usable(character: str) -> bool:
    code = ord(character)
    if code < 0xA0:
        return 0x20 <= code < 0x7F or character in "\t\n\r"
    return not (0xD800 <= code < 0xE000 or code in (0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF))


def unprintable(text: str) -> Diagnostic | None:
    """The first character that may not be in a file, if there is one."""
    index = unusable(text)
    if index is None:
        return None
    before = LINE_BREAK.split(text[:index])
    message = f"the character U+{ord(text[index]):04X} cannot be used in YAML"
    return problem(Position(len(before), len(before[-1]) + 1), message, "delete it")
