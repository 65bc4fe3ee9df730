"""Plain data to a typed Stack: the outer shape of stack.yaml, and no secrets in it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from stackgen.domain.diagnostic import Diagnostic, StackError, YamlPath, error
from stackgen.domain.secrets import secret_in, secret_in_variable, secret_under
from stackgen.domain.source import Positions, Source
from stackgen.domain.stack import Stack
from stackgen.domain.validation import validate
from stackgen.domain.wording import shown

VERSION: Final = 1
EXTENSION: Final = "x-"
"""Top-level keys that begin so are the user's own: a place for anchors."""
_BEGINNING: Final = "`version: 1`, `name: home` and `hosts: {box: {platform: compose}}`"


def parse(source: Source) -> Stack:
    """The stack that a source describes. Raises StackError with everything wrong about its shape."""
    data = source.data
    if not isinstance(data, dict):
        raise StackError([_no_mapping(data)])
    if found := _version(data):
        raise StackError([found])
    own = {key: value for key, value in data.items() if not key.startswith(EXTENSION)}
    stack, found_in_shape = validate(Stack, own, ())
    secrets = list(_secrets(data, (), source.positions))
    if stack is None or secrets:
        raise StackError([*_without(found_in_shape, secrets), *(diagnostic for diagnostic, _ in secrets)])
    return stack


def _no_mapping(data: Any) -> Diagnostic:
    hint = f"begin with {_BEGINNING}"
    if data is None:
        return error("spec/missing-key", (), "the file is empty", hint)
    message = f"the file must be a mapping with `version`, `name` and `hosts`, got {shown(data)}"
    return error("spec/type", (), message, hint)


def _version(data: dict[str, Any]) -> Diagnostic | None:
    version = data.get("version")
    if version == VERSION and isinstance(version, int) and not isinstance(version, bool):
        return None
    if "hosts" not in data and "services" in data and version not in (VERSION, str(VERSION)):
        place: YamlPath = ("version",) if "version" in data else ()
        hint = f"a stack begins with {_BEGINNING}"
        return error("spec/version", place, "this looks like a Compose file, not like a stack", hint)
    if "version" not in data:
        return None
    if isinstance(version, int | float) and not isinstance(version, bool) and version > VERSION:
        message = (
            f"version {version} of the language is newer than this stackgen, which reads version {VERSION}"
        )
        return error("spec/version", ("version",), message, "update stackgen")
    message = f"`version` must be {VERSION}, got {shown(version)}"
    return error("spec/version", ("version",), message, f"write `version: {VERSION}`")


def _secrets(data: Any, path: YamlPath, positions: Positions) -> Iterator[tuple[Diagnostic, str]]:
    """Literal secrets with their text. The diagnostic of a key names the mapping, not the key."""
    if isinstance(data, dict):
        for key, value in data.items():
            name, _, glued = key.partition(":")
            if kind := secret_in(key) or secret_under(name, glued):
                yield replace(_literal(kind, path), position=positions.locate((*path, key), at_key=True)), key
            yield from _secrets(value, (*path, key), positions)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _secrets(value, (*path, index), positions)
    elif (kind := _secret_at(path, data)) is not None:
        yield _literal(kind, path), str(data)


def _secret_at(path: YamlPath, value: object) -> str | None:
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    match path:
        case ("services", _, "env", str()) if isinstance(value, str | int):
            return secret_in_variable(key, value)
        case _ if isinstance(value, str):
            return secret_under(key, value)
        case _:
            return None


def _literal(kind: str, path: YamlPath) -> Diagnostic:
    hint = "write {secret: {name: NAME, key: KEY}} in its place; if others have seen it, make a new one"
    return error("spec/literal-secret", path, f"{kind} stands here in clear text", hint)


def _without(found: list[Diagnostic], secrets: list[tuple[Diagnostic, str]]) -> Iterator[Diagnostic]:
    """The other findings, none of which may repeat a secret."""
    for diagnostic in found:
        if any(secret.path == diagnostic.path or text in diagnostic.path for secret, text in secrets):
            continue
        message, around = diagnostic.message, diagnostic.path
        for _, text in secrets:
            message = message.replace(text, "****")
        has_secret = any(secret.path[: len(around)] == around for secret, _ in secrets)
        yield replace(diagnostic, message=message, hint=None if has_secret else diagnostic.hint)
