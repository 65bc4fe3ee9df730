"""`{section: {key: value}}` -> the presets file of llama-server's router.

Its grammar has neither quotes nor escapes, so whatever cannot stand there as it is gets refused.
"""

import re
from typing import Any, Final

from stackgen.emit import tree
from stackgen.emit.errors import EmitError

_KEY: Final = r"[A-Za-z_][A-Za-z0-9_.-]*"


def dump(body: Any) -> str:
    """The presets in the order given, but the defaults `[*]` first. Raises EmitError."""
    if not isinstance(body, dict) or not all(isinstance(keys, dict) for keys in body.values()):
        raise EmitError("presets are sections of keys")
    sections = sorted(body.items(), key=lambda item: item[0] != "*")
    return "\n".join(_section(name, keys) for name, keys in sections)


def why_not(value: str) -> str | None:
    """Why llama-server would read another value than this text, or None."""
    if char := next((c for c in ";#" if c in value), None):
        return f"`{char}` starts a comment, which nothing can escape"
    if any(c in value for c in "\n\r\0"):
        return "a value ends with its line"
    if value != value.strip(" \t"):
        return "blanks at the start or end are dropped, and quotes would become part of the value"
    return tree.why_not_text(value)


def why_not_section(name: str) -> str | None:
    """Why llama-server would read another preset name than this text, or None."""
    if not name:
        return "a section needs a name"
    if any(c in name for c in "]\n\r\0"):
        return "a section name ends at the first `]` and with its line"
    if name != name.strip(" \t"):
        return "a section name cannot start or end with blanks"
    return tree.why_not_text(name)


def why_not_key(key: str) -> str | None:
    """Why this is no key of a preset, or None."""
    return None if re.fullmatch(_KEY, key) else "a key is made of letters, digits, `_`, `.` and `-`"


def _section(name: str, keys: dict[str, Any]) -> str:
    if reason := why_not_section(name):
        raise EmitError(reason, (name,))
    return "".join([f"[{name}]\n", *(_line(name, key, value) for key, value in keys.items())])


def _line(section: str, key: str, value: Any) -> str:
    if value is None:
        raise EmitError("a key needs a value", (section, key))
    if reason := why_not_key(key) or tree.why_not_scalar(value):
        raise EmitError(reason, (section, key))
    text = value if isinstance(value, str) else tree.spell(value)
    if reason := why_not(text):
        raise EmitError(reason, (section, key))
    return f"{key} = {text}\n" if text else f"{key} =\n"
