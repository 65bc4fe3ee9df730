"""A GPU's memory as one line of characters."""

from typing import NamedTuple

from stackgen.domain.footprint import TermName
from stackgen.domain.plan import GpuLedger


class Part(NamedTuple):
    """A run of the bar: what it stands for, its sign in Unicode and in ASCII, its colour."""

    name: str
    sign: str
    ascii: str
    style: str


PARTS = (
    Part("weights", "█", "#", "blue"),
    Part("KV + state", "▓", "=", "cyan"),
    Part("compute", "▒", "+", "magenta"),
    Part("overhead", "░", "%", "yellow"),
    Part("declared", "▚", "o", "green"),
)
FREE = Part("free", "·", ".", "dim")
OVER = Part("over budget", "!", "!", "bold red")

_PART_OF = {
    TermName.WEIGHTS: 0,
    TermName.MMPROJ: 0,
    TermName.DRAFT: 0,
    TermName.KV: 1,
    TermName.RECURRENT: 1,
    TermName.COMPUTE: 2,
    TermName.CONTEXT: 3,
    TermName.DECLARED: 4,
}


def amounts(ledger: GpuLedger) -> list[int]:
    """Bytes per part, in the order of PARTS, at the high bound."""
    sums = [0] * len(PARTS)
    for _, memory in ledger.residents:
        for term in memory.terms:
            sums[_PART_OF[term.name]] += term.high
    return sums


def runs(ledger: GpuLedger, width: int) -> list[tuple[Part, int]]:
    """The parts with their lengths in characters, `width` in all; what is over the budget comes last.

    Ends of parts are rounded, not their lengths, so that errors do not add up.
    """
    scale = max(ledger.usable, ledger.high, 1)
    limit = width * ledger.usable // scale
    out: list[tuple[Part, int]] = []
    position = total = 0
    for part, size in zip(PARTS, amounts(ledger), strict=True):
        total += size
        end = min(round(width * total / scale), limit)
        if end > position:
            out.append((part, end - position))
            position = end
    rest = FREE if ledger.free >= 0 else OVER
    return [*out, (rest, width - position)] if position < width else out
