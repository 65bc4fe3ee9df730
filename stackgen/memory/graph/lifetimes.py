"""When each tensor takes its bytes and when it gives them back (`ggml_gallocr_alloc_graph_impl`).

Neither depends on where the bytes are, so that a block's part can be played again in another state of the buffers.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from stackgen.memory.graph.scheduler import Schedule
from stackgen.memory.graph.tensors import Tensor, same_layout

ALIGNMENT = 32
"""Of host buffers and of the devices that stand in for GPUs when the engine is asked; CUDA's is 128."""
INHERITED = -1


class Event(NamedTuple):
    """A range of bytes is taken from a place's buffer; given back when `range` is the complement of its number.

    When `place` is INHERITED, the range goes on under this number; the one from before is in `bytes`.
    """

    range: int
    place: int
    bytes: int


@dataclass(slots=True)
class Part:
    """What one part of a graph does to the buffers: inputs and embeddings, a block, or the head."""

    events: list[Event]
    enters: tuple[Event, ...] = ()
    """The ranges that the part before takes and this one gives back or inherits."""
    leaves: tuple[Event, ...] = ()
    """The ranges that the part after gives back or inherits."""
    beyond: set[int] = field(default_factory=set)
    """The parts further away that give back what this one takes, or that take what it gives back."""


def lifetimes(plan: Schedule) -> list[Part]:
    """What each part of a schedule does to the buffers."""
    return _Walk(plan).parts


def fit_together(parts: Sequence[Part], order: Sequence[int]) -> bool:
    """Whether parts can be played in this order: each finds what it gives back, and nothing is given back twice."""
    times = Counter(order)
    return all(times[i] == times[j] == 1 for i in times for j in parts[i].beyond) and all(
        [e[1:] for e in parts[a].leaves] == [e[1:] for e in parts[b].enters] for a, b in set(pairwise(order))
    )


class _Walk:
    """Walks a schedule once, and notes who takes and who gives back bytes."""

    def __init__(self, plan: Schedule) -> None:
        self.events: list[Event] = []
        self._taken: list[Event] = []
        self._old = 0
        """Ranges below this are from the parts before."""
        for leaf in plan.leafs:
            self._allocate(leaf)
        self._count_readers(plan.nodes)
        ends = []
        start = 0
        for end in (*plan.marks, len(plan.nodes)):
            self._old = len(self._taken)
            self._walk(plan.nodes[start:end])
            ends.append(len(self.events))
            start = end
        self.parts = _parts(self.events, self._taken, ends)

    def _count_readers(self, nodes: list[Tensor]) -> None:
        """Who reads whom; inputs get their bytes before anything else, lest they are overwritten."""
        for t in nodes:
            if t.view is not None:
                t.view.n_views += 1
            if t.input:
                self._allocate(t)
            for s in t.src:
                s.n_children += 1
                if s.input:
                    self._allocate(s)

    def _walk(self, nodes: list[Tensor]) -> None:
        for t in nodes:
            # This loop runs for every operand of every node: the tests stand here to spare the calls.
            for s in t.src:
                if s.range < 0 and s.place is None and s.view is None:
                    self._allocate(s)
            if t.view is None and t.range < 0 and t.place is None:
                self._allocate(t)
            for s in t.src:
                s.n_children -= 1
                if not s.n_children and not s.n_views and (s.range >= 0 or s.view is not None):
                    self._release(s)

    def _allocate(self, t: Tensor) -> None:
        if t.range >= 0 or t.place is not None or t.view is not None:
            return
        if not t.bytes:
            t.bytes = -(-t.size // ALIGNMENT) * ALIGNMENT
        if t.inplace and (parent := _reusable(t)) is not None:
            old, parent.range = parent.range, -1
            if old >= self._old:
                t.range = old
            else:
                _, place, size = self._taken[old]
                t.range = self._new(place, size)
                self.events.append(Event(t.range, INHERITED, old))
        else:
            t.range = self._new(t.backend, t.bytes)
            self.events.append(self._taken[-1])

    def _new(self, place: int, size: int) -> int:
        self._taken.append(Event(len(self._taken), place, size))
        return len(self._taken) - 1

    def _release(self, s: Tensor) -> None:
        """Nobody reads s any more: give its bytes back, or, when it is a view, perhaps its source's."""
        if s.view is not None:
            s = s.view
            s.n_views -= 1
            if s.n_views or s.n_children:
                return
        if s.range >= 0 and not s.output:
            _, place, size = self._taken[s.range]
            self.events.append(Event(~s.range, place, size))
            s.range = -1


def _reusable(t: Tensor) -> Tensor | None:
    """An operand whose bytes nobody else needs any more; views never qualify."""
    for parent in t.src:
        if (
            parent.range >= 0
            and not parent.output
            and parent.n_children == 1
            and parent.n_views == 0
            and same_layout(t, parent)
        ):
            return parent
    return None


def _parts(events: list[Event], taken: list[Event], ends: list[int]) -> list[Part]:
    parts: list[Part] = []
    since: dict[int, int] = {}
    start = 0
    for i, end in enumerate(ends):
        part = Part(events[start:end])
        parts.append(part)
        entering = []
        for number, place, inherited in part.events:
            if number >= 0:
                since[number] = i
                if place != INHERITED:
                    continue
                number = ~inherited
            born = since[~number]
            if i and born == i - 1:
                entering.append(taken[~number])
            elif born < i:
                part.beyond.add(born)
                parts[born].beyond.add(i)
        if i:
            part.enters = parts[i - 1].leaves = tuple(sorted(entering))
        start = end
    return parts
