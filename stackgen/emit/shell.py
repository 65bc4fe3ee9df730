"""Argument vectors and variables -> words of a POSIX shell; nothing else quotes for a shell."""

import re
import shlex
from collections.abc import Iterable, Mapping

from stackgen.emit import tree
from stackgen.emit.errors import EmitError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def why_not(text: str) -> str | None:
    """Why a shell cannot have this text as a word, or None."""
    return "no program can be given the character NUL" if "\0" in text else tree.why_not_text(text)


def why_not_name(name: str) -> str | None:
    """Why this is no name of a variable, or None."""
    return None if _NAME.fullmatch(name) else "a variable is named by letters, digits and `_`"


def quote(text: str) -> str:
    """One word. Raises EmitError."""
    if reason := why_not(text):
        raise EmitError(reason)
    return shlex.quote(text)


def join(argv: Iterable[str]) -> str:
    """A command line that runs exactly this. Raises EmitError."""
    return " ".join(quote(word) for word in argv)


def exports(variables: Mapping[str, str]) -> str:
    """Lines that set and export variables. Raises EmitError."""
    for name in variables:
        if reason := why_not_name(name):
            raise EmitError(reason, (name,))
    return "".join(f"export {name}={quote(value)}\n" for name, value in variables.items())
