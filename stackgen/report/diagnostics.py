"""Findings for people, for programs, and for GitHub's annotations."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Any, Final

from stackgen.domain.diagnostic import Diagnostic, Position, Severity, dotted
from stackgen.domain.secrets import masked
from stackgen.domain.source import Source
from stackgen.report.excerpt import excerpt

_NARROWEST: Final = 40
_ORDER: Final = list(Severity)
_COLORS: Final = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
_GITHUB: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_CLEAR_TEXT: Final = "spec/literal-secret"
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


def show(diagnostics: Iterable[Diagnostic], source: Source, *, width: int, color: bool) -> str:
    """Findings in the order of the file, each with its line and a hint; below them, how many they are."""
    found = _sorted(diagnostics, source)
    if not found:
        return ""
    page = _Page(source, found, max(width, _NARROWEST), color=color)
    return (
        "\n\n".join((*("\n".join(page.finding(*item)) for item in found), count(d for d, _ in found))) + "\n"
    )


def count(diagnostics: Iterable[Diagnostic]) -> str:
    """How many there are of each severity: `3 errors, 1 warning`."""
    numbers = Counter(d.severity for d in diagnostics)
    return ", ".join(
        f"{numbers[severity]} {severity.value}{'s' * (numbers[severity] > 1)}"
        for severity in _ORDER
        if numbers[severity]
    )


def as_dicts(diagnostics: Iterable[Diagnostic], source: Source) -> list[dict[str, Any]]:
    """Findings as the JSON contract has them, in the order of the file."""
    return [
        {
            "kind": d.kind,
            "severity": d.severity.value,
            "path": dotted(d.path),
            "line": position.line,
            "column": position.column,
            "message": d.message,
            "hint": d.hint,
        }
        for d, position in _sorted(diagnostics, source)
    ]


def github(diagnostics: Iterable[Diagnostic], source: Source) -> str:
    """Findings as GitHub workflow commands, which annotate the lines of a pull request."""
    return "".join(
        f"::{_GITHUB[d.severity]} file={_property(source.name)},line={position.line},col={position.column},"
        f"title={_property(d.kind)}::{_data(d.message + (f'{chr(10)}hint: {d.hint}' if d.hint else ''))}\n"
        for d, position in _sorted(diagnostics, source)
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _sorted(diagnostics: Iterable[Diagnostic], source: Source) -> list[tuple[Diagnostic, Position]]:
    """Findings with their positions, in the order of the file; what an alias repeats is there once."""
    once = {(source.positions.of(d), d.kind, d.message): d for d in reversed(list(diagnostics))}
    return sorted(
        ((d, position) for (position, _, _), d in once.items()),
        key=lambda item: (
            item[1].line,
            item[1].column,
            _ORDER.index(item[0].severity),
            item[0].kind,
            item[0].message,
        ),
    )


class _Page:
    """Where findings are printed: the lines of the file, without its secrets, and the terminal."""

    def __init__(
        self, source: Source, found: list[tuple[Diagnostic, Position]], width: int, *, color: bool
    ) -> None:
        self._source, self._width, self._color = source, width, color
        self._lines = _LINE_BREAK.split(source.text)
        for diagnostic, position in found:
            if diagnostic.kind == _CLEAR_TEXT and position.width:
                self._cover(position)

    def _cover(self, position: Position) -> None:
        line, start = self._lines[position.line - 1], position.column - 1
        if line[start : start + 1] not in {
            "|",
            ">",
        }:  # else the secret is in the lines below, which nobody prints
            covered = "*" * position.width
            self._lines[position.line - 1] = line[:start] + covered + line[start + position.width :]

    def finding(self, diagnostic: Diagnostic, position: Position) -> Iterator[str]:
        """The lines that tell of one finding."""
        place = f"{self._source.name}:{position.line}:{position.column}:"
        word = f"{diagnostic.severity.value}:"
        first, *more = self._wrap(f"{place} {word} {diagnostic.message} [{diagnostic.kind}]", "", "    ")
        tinted = f"{self._paint(place, '1')} {self._paint(word, '1;' + _COLORS[diagnostic.severity])}"
        yield first.replace(f"{place} {word}", tinted, 1)
        yield from more
        yield from self._quote(position, diagnostic.severity)
        if diagnostic.hint:
            yield from self._wrap(diagnostic.hint, "  hint: ", "        ")
        for path, text in diagnostic.related:
            line = self._source.positions.locate(path).line
            yield from self._wrap(text, f"  see line {line}: ", "    ")

    def _quote(self, position: Position, severity: Severity) -> Iterator[str]:
        if not position.width or position.line > len(self._lines):
            return
        gutter = f"{position.line:>4} | "
        room = self._width - len(gutter)
        line, marks = excerpt(masked(self._lines[position.line - 1]), position.column, position.width, room)
        yield f"{self._paint(gutter, '2')}{line}".rstrip()
        indent = marks[: len(marks) - len(marks.lstrip())]
        bar = f"{' ' * (len(gutter) - 2)}| "
        yield f"{self._paint(bar, '2')}{indent}{self._paint(marks.lstrip(), _COLORS[severity])}"

    def _wrap(self, text: str, first: str, rest: str) -> list[str]:
        return wrap(
            text,
            self._width,
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [first]

    def _paint(self, text: str, codes: str) -> str:
        return f"\x1b[{codes}m{text}\x1b[0m" if self._color else text
