"""A line of a file with marks under a part of it, for terminals of any width."""

from unicodedata import category, combining, east_asian_width

_TAB = 4
_CUT = "…"


def excerpt(line: str, column: int, length: int, room: int) -> tuple[str, str]:
    """The line, and the marks to print below it; both at most `room` wide.

    `column` counts characters from 1, `length` how many are meant. What cannot be printed is replaced, tabs
    become spaces, and of a line that is too long the part around the mark is left.
    """
    cells = _cells(line.rstrip())
    start = min(column - 1, len(cells))
    marked = cells[start : start + length] or [" "]
    before, after = cells[:start], cells[start + length :]
    marks = "^" * max(1, _width(marked))
    if _width(cells) <= room:
        return "".join(cells), " " * _width(before) + marks
    return _window(before, marked, after, room)


def _window(before: list[str], marked: list[str], after: list[str], room: int) -> tuple[str, str]:
    """The part of a long line around the mark: from the start if that reaches, else with some text after it."""
    tail = _head(after, room // 4)
    lead = _tail(before, room - 2 - min(_width(marked), room // 2) - _width(tail))
    start = [_CUT, *lead] if len(lead) < len(before) else lead
    inside = _head(marked, room - 1 - _width(start))
    rest = _head(after, room - 1 - _width(start) - _width(inside)) if len(inside) == len(marked) else []
    whole = len(inside) + len(rest) == len(marked) + len(after)
    text = "".join([*start, *inside, *rest, *([] if whole else [_CUT])])
    return text, " " * _width(start) + "^" * max(1, _width(inside))


def _head(cells: list[str], room: int) -> list[str]:
    """As many cells from the start as fit."""
    used, count = 0, 0
    for cell in cells:
        used += _width([cell])
        if used > room:
            break
        count += 1
    return cells[:count]


def _tail(cells: list[str], room: int) -> list[str]:
    return _head(cells[::-1], room)[::-1]


def _cells(line: str) -> list[str]:
    """Each character as it is printed."""
    cells: list[str] = []
    for character in line:
        if character == "\t":
            cells.append(" " * (_TAB - _width(cells) % _TAB))
        elif category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            cells.append("\N{REPLACEMENT CHARACTER}")
        else:
            cells.append(character)
    return cells


def _width(cells: list[str]) -> int:
    """Columns of a terminal."""
    return sum(
        0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1
        for cell in cells
        for character in cell
    )
