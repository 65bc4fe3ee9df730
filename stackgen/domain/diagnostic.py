"""What can be wrong with a stack, as data: a kind, a place in the YAML tree, a message and a way out."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

YamlPath = tuple[str | int, ...]
"""Keys and indexes from the root of stack.yaml, such as ("services", "llama", "gpus", 0)."""


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
    related: tuple[tuple[YamlPath, str], ...] = ()
    at_key: bool = False
    """Point at the key rather than at its value, as for a key that should not be there."""


def error(
    kind: str, path: YamlPath, message: str, hint: str | None = None, *, at_key: bool = False
) -> Diagnostic:
    """An error diagnostic."""
    return Diagnostic(
        kind=kind, severity=Severity.ERROR, path=path, message=message, hint=hint, at_key=at_key
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


def did_you_mean(word: str, allowed: Iterable[str]) -> str | None:
    """The nearest allowed word, as a hint, or None when nothing is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else None
