"""Plain value trees: what every syntax refuses in them, and a spelling of numbers that all readers share."""

import math
import re
from collections.abc import Callable
from typing import Any, Final

from stackgen.emit.errors import EmitError, TreePath

MAX_DEPTH: Final = 100
"""Levels; deeper trees are mistakes (or cycles) and exhaust the stack of recursive readers."""

MAX_INT: Final = 2**63 - 1
"""Readers disagree about anything longer, and Nix cannot write the lowest 64-bit number."""

WhyNot = Callable[[Any], str | None]
"""Says in plain words why a syntax cannot express a value, or None when it can."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def why_not_text(text: str) -> str | None:
    """Why this is not text that a file can hold."""
    return "a lone surrogate is not text" if _SURROGATE.search(text) else None


def why_not_scalar(value: Any) -> str | None:
    """Why this is not a scalar that every syntax writes: text, a number, true, false or null."""
    # Exact types: a str or int enum would be written in a way that depends on the version of Python.
    if type(value) is str:
        return why_not_text(value)
    if type(value) is int:
        return None if abs(value) <= MAX_INT else "the number does not fit in 64 bits"
    if type(value) is float:
        return None if math.isfinite(value) else "the number is not finite"
    if value is None or type(value) is bool:
        return None
    return f"a value of type {type(value).__name__} has no text form"


def check(body: Any, why_not: WhyNot = why_not_scalar, why_not_key: WhyNot = why_not_text) -> None:
    """Raise EmitError at the first place of a value tree that a syntax cannot express."""
    _check(body, why_not, why_not_key, ())


def _check(body: Any, why_not: WhyNot, why_not_key: WhyNot, path: TreePath) -> None:
    if len(path) > MAX_DEPTH:
        raise EmitError(f"nested more than {MAX_DEPTH} levels deep", path[:4])
    if isinstance(body, dict):
        for key, value in body.items():
            if type(key) is not str:
                raise EmitError(f"a key of type {type(key).__name__} is not text", path)
            if reason := why_not_key(key):
                raise EmitError(f"the key {key[:80]!r}: {reason}", path)
            _check(value, why_not, why_not_key, (*path, key))
    elif isinstance(body, list | tuple):
        for index, value in enumerate(body):
            _check(value, why_not, why_not_key, (*path, index))
    elif reason := why_not(body):
        raise EmitError(reason, path)


def spell(value: Any) -> str:
    """A number, true, false or null; floats keep a fraction, without which YAML 1.1 reads 1e+16 as text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    if isinstance(value, float) and "." not in text:
        mantissa, _, exponent = text.partition("e")
        return f"{mantissa}.0e{exponent}"
    return text
