"""The little that a plan needs of a terminal: its width, colours, columns.

A library for this takes longer to import than a plan takes to make.
"""

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import NamedTuple

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "bold red": "1;31",
    "bold green": "1;32",
    "bold yellow": "1;33",
}
WIDEST = 100
"""Columns that text is laid out for, however wide the screen."""


class Page(NamedTuple):
    """Where text goes."""

    width: int = WIDEST
    color: bool = False
    unicode: bool = True

    def style(self, text: str, name: str) -> str:
        """Text in a colour, where there are colours."""
        return f"\x1b[{_CODES[name]}m{text}\x1b[0m" if self.color and text and name else text

    def pick(self, sign: str, ascii_sign: str) -> str:
        """A sign, or what stands for it where there is no Unicode."""
        return sign if self.unicode else ascii_sign

    def wrapped(self, text: str, indent: str = "  ") -> list[str]:
        """Text in lines that fit, the later ones indented."""
        return wrap(text, max(self.width, 20), subsequent_indent=indent, break_on_hyphens=False) or [""]


def columns(rows: Sequence[Sequence[str]], *, right: Iterable[int] = (), indent: str = "  ") -> list[str]:
    """Rows of cells as aligned lines, two blanks apart; the columns in `right` end flush."""
    flush = set(right)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (
            c.rjust(w) if i in flush else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
