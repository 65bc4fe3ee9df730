"""What can be wrong with a stack, as data: a kind, a place in the YAML tree, a message and a way out."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

YamlPath = tuple[str | int, ...]
"""Keys and indexes from the root of stack.yaml, such as ("services", "llama", "gpus", 0)."""


class Position(NamedTuple):
    """Line and column, both counted from 1, and how many characters of that line are meant."""

    line: int
    column: int
    width: int = 1
    """0 = the file as a whole: no single word is to blame."""


class Severity(Enum):
    """Errors make the exit status 1; warnings and notes do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnostic:
    """One finding. `kind` is `area/rule`, a contract that users can silence with a reason."""

    kind: str
    severity: Severity
    path: YamlPath
    message: str
    hint: str | None = None
    related: tuple[tuple[YamlPath | Position, str], ...] = ()
    at_key: bool = False
    """Point at the key rather than at its value, as for a key that should not be there."""
    position: Position | None = None
    """Where it is when no path can tell: a syntax error has no tree, a duplicate key has two places."""


def error(
    kind: str,
    path: YamlPath,
    message: str,
    hint: str | None = None,
    *,
    at_key: bool = False,
    related: tuple[tuple[YamlPath | Position, str], ...] = (),
) -> Diagnostic:
    """An error diagnostic."""
    return Diagnostic(
        kind=kind,
        severity=Severity.ERROR,
        path=path,
        message=message,
        hint=hint,
        at_key=at_key,
        related=related,
    )


def warning(
    kind: str, path: YamlPath, message: str, hint: str | None = None, *, at_key: bool = False
) -> Diagnostic:
    """A warning diagnostic."""
    return Diagnostic(
        kind=kind, severity=Severity.WARNING, path=path, message=message, hint=hint, at_key=at_key
    )


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of them is an error."""
    return any(d.severity is Severity.ERROR for d in diagnostics)


class StackError(Exception):
    """A stage found the stack wrong; carries everything that it found."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(d.message for d in self.diagnostics))


def dotted(path: YamlPath) -> str:
    """A path for people and for JSON: `services.llama.gpus[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def did_you_mean(word: str, allowed: Iterable[str]) -> str | None:
    """The nearest allowed word, as a hint, or None when nothing is near."""
    near = nearest(word, allowed)
    return None if near is None else f"did you mean `{near}`?"


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that looks most like `word`, whatever its case and its hyphens, or None."""
    from difflib import get_close_matches

    plain = {_letters(name): name for name in sorted(allowed, reverse=True)}
    found = get_close_matches(_letters(word), plain, n=1, cutoff=0.7)
    return plain[found[0]] if found else None


def _letters(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "").replace(" ", "")
