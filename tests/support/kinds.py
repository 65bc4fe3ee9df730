"""The kinds of findings that the program can make, and how grave they are, read from its syntax trees."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from stackgen import registry
from tests.support.cli import ROOT

KIND = re.compile(r"[a-z][a-z0-9-]*/[a-z][a-z0-9-]*")
MODULES = sorted((ROOT / "stackgen").rglob("*.py"))
STAGES = ("spec", "link", "allow", "facts", "lock", "plan", "render", "engine", "oracle")
AREAS = frozenset({*STAGES, *registry.engine_names(), *registry.target_names()})
"""What can stand before the slash."""
OTHER_NAMES = frozenset({"Template", "load_toml"})
"""Calls whose first argument looks like a kind and is a file."""
MAKERS = dict.fromkeys(("error", "unknown", "problem", "_as_pydantic_says", "FetchError"), "error") | {
    "warning": "warning"
}
"""Functions that make a finding of the kind that is their first argument, and its severity."""


def kinds_in(path: Path) -> dict[str, set[str]]:
    """Kinds by name, each with the severities that can be read off where it is made."""
    found: dict[str, set[str]] = {}
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    files = {id(arg) for call in calls if _name(call) in OTHER_NAMES for arg in call.args}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in files and (kind := _kind(node)):
            found.setdefault(kind, set())
    for call in calls:
        for kind in _made(call):
            found.setdefault(kind, set()).update(_severities(call))
    return found


def kinds() -> dict[str, set[str]]:
    """The kinds of all modules."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        for kind, severities in kinds_in(path).items():
            found.setdefault(kind, set()).update(severities)
    return found


def composed() -> set[str]:
    """Kinds that are put together where they are used, so that their names cannot be read off."""
    return {
        ast.unparse(value)
        for path in MODULES
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and (_name(call) in MAKERS or _name(call) == "Diagnostic")
        for value in _named(call)
        if isinstance(value, ast.JoinedStr)
    }


def _kind(node: ast.Constant) -> str | None:
    """The constant, if it is a kind of a known area."""
    text = node.value
    known = isinstance(text, str) and KIND.fullmatch(text) and text.partition("/")[0] in AREAS
    return str(text) if known else None


def _made(call: ast.Call) -> Iterator[str]:
    """The kinds that a call names, also those of areas that are not known."""
    for value in _named(call):
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and KIND.fullmatch(value.value):
            yield value.value


def _named(call: ast.Call) -> tuple[ast.expr, ...]:
    """Where a call would name a kind."""
    if _name(call) in OTHER_NAMES:
        return ()
    return (*call.args[:1], *(k.value for k in call.keywords if k.arg == "kind"))


def _severities(call: ast.Call) -> set[str]:
    written = [k.value for k in call.keywords if k.arg == "severity"]
    named = {n.attr.lower() for w in written for n in ast.walk(w) if isinstance(n, ast.Attribute)}
    return named or {severity for maker, severity in MAKERS.items() if maker == _name(call)}


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
