"""Memory that something takes, term by term, each with where the number comes from."""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple


class Basis(Enum):
    """Where a number comes from, best first."""

    MEASURED = "measured"
    EXACT = "exact"
    DECLARED = "declared"
    MODELLED = "modelled"
    CATALOG = "catalog"


class TermName(Enum):
    """The columns of a ledger; the values are part of the JSON contract."""

    WEIGHTS = "weights"
    KV = "kv"
    RECURRENT = "recurrent"
    COMPUTE = "compute"
    MMPROJ = "mmproj"
    DRAFT = "draft"
    CONTEXT = "context"
    DECLARED = "declared"


class Term(NamedTuple):
    """An interval in bytes. `best` is the single best guess, between low and high."""

    name: TermName
    low: int
    best: int
    high: int
    basis: Basis
    formula: str = ""
    """The arithmetic with its numbers, for `plan --explain`."""


def exact(name: TermName, size: int, basis: Basis = Basis.EXACT, formula: str = "") -> Term:
    """A term without an interval."""
    return Term(name=name, low=size, best=size, high=size, basis=basis, formula=formula)


class Memory(NamedTuple):
    """The terms of one place: a GPU, or the host."""

    terms: tuple[Term, ...] = ()

    @property
    def low(self) -> int:
        """The least that it will take, in bytes."""
        return sum(t.low for t in self.terms)

    @property
    def best(self) -> int:
        """The best guess, in bytes."""
        return sum(t.best for t in self.terms)

    @property
    def high(self) -> int:
        """What a gate must count with, in bytes."""
        return sum(t.high for t in self.terms)

    def of(self, *names: TermName) -> tuple[Term, ...]:
        """The terms of these names."""
        return tuple(t for t in self.terms if t.name in names)


NOTHING = Memory()


def total(memories: Iterable[Memory]) -> Memory:
    """All terms of several places in one."""
    return Memory(tuple(t for m in memories for t in m.terms))


class Footprint(NamedTuple):
    """Memory of one resident process: per device in the order they were given, and on the host."""

    devices: tuple[Memory, ...]
    host: Memory = NOTHING
