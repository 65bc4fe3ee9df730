"""What is wrong with a text that is not YAML, told by what a person most likely meant to write."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from stackgen.domain.diagnostic import Diagnostic, Position
from stackgen.domain.source import WHOLE_FILE
from stackgen.spec.characters import LINE_BREAK, problem

_LAST_CHARACTER: Final = 0x10FFFF


def unknown_character(text: str) -> Diagnostic:
    """The escape beyond the last character of Unicode, for which ruamel.yaml has no error of its own."""
    escapes = re.finditer(r"\\U([0-9a-fA-F]{8})", text)
    start = next((m.start() for m in escapes if int(m[1], 16) > _LAST_CHARACTER), 0)
    before = LINE_BREAK.split(text[:start])
    place = Position(len(before), len(before[-1]) + 1, len("\\U00000000"))
    return problem(place, "this escape stands for no character")


def explain(exc: Any, text: str) -> Diagnostic:
    """ruamel.yaml's complaint (a MarkedYAMLError) in words about the text."""
    at = exc.problem_mark
    if at is None:
        return problem(WHOLE_FILE, f"this is not YAML: {exc}")
    opened = exc.context_mark or at
    complaint = _Complaint(
        exc.problem, at.line, at.column, opened.line, opened.column, LINE_BREAK.split(text)
    )
    if found := _bad_indent(complaint) or _conflict(complaint) or _open_quote(complaint):
        return found
    for pattern, tell in _PROBLEMS:
        if re.match(pattern, complaint.problem):
            return tell(complaint)
    return problem(complaint.here, f"this is not YAML: {complaint.problem}")


@dataclass(frozen=True, slots=True)
class _Complaint:
    """Where the parser gave up, and where the thing began that it was reading; counted from 0."""

    problem: str
    line: int
    column: int
    opened_line: int
    opened_column: int
    lines: list[str]

    @property
    def here(self) -> Position:
        return Position(self.line + 1, self.column + 1)

    @property
    def opened(self) -> Position:
        return Position(self.opened_line + 1, self.opened_column + 1)

    @property
    def quoted(self) -> str:
        """The last thing that the parser quotes."""
        return self.problem.rsplit("'", 2)[-2] if self.problem.count("'") > 1 else self.problem


def _bad_indent(c: _Complaint) -> Diagnostic | None:
    for number in (c.line, c.line - 1):
        line = c.lines[number] if 0 <= number < len(c.lines) else ""
        indent = line[: len(line) - len(line.lstrip())]
        for bad, name in (("\t", "a tab"), ("\xa0", "a no-break space")):
            if bad in indent:
                place = Position(number + 1, indent.index(bad) + 1)
                return problem(place, f"{name} cannot indent YAML", "use spaces")
    return None


def _conflict(c: _Complaint) -> Diagnostic | None:
    for number in (c.line, c.opened_line):
        line = c.lines[number] if number < len(c.lines) else ""
        if mark := re.match(r"<{7}|={7}|>{7}", line):
            place = Position(number + 1, 1, len(mark[0]))
            return problem(place, "git left a conflict here", "keep one of the two sides, remove the marks")
    return None


def _open_quote(c: _Complaint) -> Diagnostic | None:
    """A quote that was forgotten is closed by the next one, lines below, where nobody would look for it."""
    before = c.lines[c.line][: c.column].rstrip() if c.line < len(c.lines) else ""
    quote = before[-1:]
    if quote not in {'"', "'"} or not before.count(quote) % 2:
        return None
    for number in range(c.line - 1, -1, -1):
        line = c.lines[number]
        if line.count(quote) % 2:
            return _unclosed(number, line.rindex(quote), quote)
    return None


def _unclosed(line: int, column: int, quote: str) -> Diagnostic:
    place = Position(line + 1, column + 1)
    return problem(place, "this quote is never closed", f"add `{quote}` at the end of the value")


def _start(c: _Complaint) -> Diagnostic:
    return problem(c.here, f"a value cannot begin with {c.quoted}", "put it in quotes")


def _quote(c: _Complaint) -> Diagnostic:
    quote = c.lines[c.opened_line][c.opened_column : c.opened_column + 1]
    return _unclosed(c.opened_line, c.opened_column, quote)


def _escape(c: _Complaint) -> Diagnostic:
    place = Position(c.line + 1, max(c.column, 1), 2)
    message = "this escape means nothing inside double quotes"
    return problem(place, message, "use single quotes, in which a backslash is just a backslash")


def _flow(c: _Complaint) -> Diagnostic:
    opening, closing = ("[", "]") if c.problem.startswith("expected ',' or ']'") else ("{", "}")
    if c.line != c.opened_line or c.quoted == "<stream end>":
        return problem(c.opened, f"this `{opening}` is never closed", f"add `{closing}`")
    is_variable = c.lines[c.line][: c.column].endswith("$")
    hint = "put the value in quotes: a `{` has a meaning of its own here" if is_variable else None
    return problem(c.here, f"`,` or `{closing}` must come before this", hint)


def _colon(c: _Complaint) -> Diagnostic:
    line = c.lines[c.line]
    key = line[: c.column].strip()
    if re.search(r":\s", key):
        hint = "put the value in quotes; a mapping goes into `{ }` or onto lines of its own"
        return problem(c.here, "a value cannot have `: ` in it", hint)
    number = next((n for n in range(c.line - 1, -1, -1) if c.lines[n].strip()), c.line)
    above, indent = c.lines[number], len(line) - len(line.lstrip())
    if glued := re.match(r"\s*([\w.-]+):(?=[^\s/])", above):
        return problem(Position(number + 1, glued.end()), f"a space is missing after `{glued[1]}:`")
    start = Position(c.line + 1, indent + 1, max(len(key), 1))
    if indent > len(above) - len(above.lstrip()):
        message = f"`{key}` is indented as if it belonged to line {number + 1}, which has a value already"
        return problem(start, message, "give both lines the same indentation, or remove that value")
    return problem(start, f"`{key}` cannot be a key here: line {number + 1} has no `:`")


def _no_colon(c: _Complaint) -> Diagnostic:
    width = len(c.lines[c.opened_line].rstrip()) - c.opened_column
    place = Position(c.opened_line + 1, c.opened_column + 1, max(width, 1))
    text = c.lines[c.opened_line].strip()
    if glued := re.match(r"([\w.-]+):(?=[^\s/])", text):
        return problem(place, f"a space is missing after `{glued[1]}:`")
    hint = f"a key needs a colon: `{text}:`" if re.fullmatch(r"[\w.-]+", text) else None
    return problem(place, "this line is neither `key: value` nor `- item`", hint)


def _block(c: _Complaint) -> Diagnostic:
    begins = f"begin in line {c.opened_line + 1}"
    match c.quoted:
        case "-":
            message = f"a list item cannot follow the keys that {begins}"
            return problem(c.here, message, "write `key: value`, or indent it below the key of its list")
        case "?":
            message = f"a key cannot follow the list items that {begins}"
            return problem(c.here, message, "write `- item`, or begin the line further left")
        case "<block mapping start>" | "<block sequence start>":
            hint = f"the block around it begins in line {c.opened_line + 1}"
            return problem(c.here, "the indentation of this line fits no line above it", hint)
        case _:
            return problem(c.here, "nothing can follow a quoted value, a list or a mapping on its line")


def _list_on_key_line(c: _Complaint) -> Diagnostic:
    return problem(c.here, "a list cannot begin here", "put `- ` on a line of its own, or write [a, b]")


def _closing(c: _Complaint) -> Diagnostic:
    return problem(c.here, f"`{c.quoted}` closes nothing")


def _anchor(c: _Complaint) -> Diagnostic:
    return problem(c.here, "a name must follow `&` and `*`", "put the value in quotes if it is just text")


_PROBLEMS: Final[tuple[tuple[str, Callable[[_Complaint], Diagnostic]], ...]] = (
    (r"found character .* cannot start", _start),
    (r"found unexpected (end of stream|document separator)", _quote),
    (r"found unknown escape|expected escape sequence", _escape),
    (r"expected ',' or", _flow),
    (r"mapping (values|keys) are not allowed", _colon),
    (r"could not find expected ':'", _no_colon),
    (r"expected <block end>", _block),
    (r"sequence entries are not allowed", _list_on_key_line),
    (r"expected (the node content|'<document start>'), but found .*'[\]},]'", _closing),
    (r"expected alphabetic or numeric character", _anchor),
)
