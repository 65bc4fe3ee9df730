"""`{name: text}` -> an env file for Docker Compose (`env_file:` and `.env`).

`docker run --env-file`, systemd and kustomize read other dialects: they agree on unquoted values only.
"""

import re
from typing import Any, Final

from stackgen.emit import shell
from stackgen.emit.errors import EmitError

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]+")
_NOT_SINGLE = re.compile(r"['\r]|\\\Z")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r"}


def dump(body: Any) -> str:
    """One assignment a line. Raises EmitError."""
    if not isinstance(body, dict):
        raise EmitError("an env file is made of variables")
    return "".join(_line(name, value) for name, value in body.items())


def _line(name: str, value: Any) -> str:
    if type(value) is not str:
        raise EmitError(f"a variable holds text, not {type(value).__name__}", (name,))
    if reason := shell.why_not_name(name) or shell.why_not(value):
        raise EmitError(reason, (name,))
    return f"{name}={_value(value)}\n"


def _value(text: str) -> str:
    if _PLAIN.fullmatch(text) or not text:
        return text
    if not _NOT_SINGLE.search(text):
        return f"'{text}'"
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'
