"""A load log beside the plan, and the `measured` entry that follows from it. Sizes in bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One term of one place: our interval, and what was logged."""

    place: str
    term: str
    low: int
    best: int
    high: int
    logged: int

    @property
    def outside(self) -> int:
        """How far the logged figure is beyond our bounds: positive = it takes more than we count with."""
        return max(0, self.logged - self.high) - max(0, self.low - self.logged)


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """One model of a plan and the log of its load."""

    label: str
    """`service/model`."""
    build: str
    rows: tuple[Row, ...]
    gpus: tuple[int, ...]
    """What it took on each GPU of its service: buffers, and what is outside of them."""
    reason: str
    mismatches: tuple[str, ...] = ()
    """Why log and plan do not speak of the same thing; then the entry is worth nothing."""
    notes: tuple[str, ...] = ()
