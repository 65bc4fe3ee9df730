"""How many bytes a schedule needs on each place (`ggml_gallocr_reserve_n_size`, `ggml_dyn_tallocr`)."""

from collections.abc import Iterable, Sequence

from stackgen.memory.graph.lifetimes import INHERITED, Part

_ENDLESS = 1 << 62
Free = tuple[tuple[int, int], ...]
State = tuple[tuple[int, ...], tuple[Free, ...]]
"""Offsets of the ranges that the next part gives back, and the free ranges of all buffers."""


class Buffer:
    """The free ranges of one place's buffer: best fit, the endless last range only when nothing else fits."""

    __slots__ = ("free", "peak")

    def __init__(self) -> None:
        self.free: list[tuple[int, int]] = [(0, _ENDLESS)]
        """(offset, size), by offset."""
        self.peak = 0

    def take(self, size: int) -> int:
        """The offset of a new range."""
        best, best_size = -1, _ENDLESS
        free = self.free
        for i in range(len(free) - 1):
            have = free[i][1]
            if size <= have <= best_size:
                best, best_size = i, have
        offset, have = free[best]  # -1: the last one
        if have == size:
            del free[best]
        else:
            free[best] = (offset + size, have - size)
        if offset + size > self.peak:
            self.peak = offset + size
        return offset

    def give(self, offset: int, size: int) -> None:
        """Return a range, joined with its neighbours."""
        free = self.free
        i = 0
        while i < len(free) and free[i][0] < offset:
            i += 1
        end = offset + size
        first = last = i
        if i < len(free) and free[i][0] == end:
            end += free[i][1]
            last += 1
        if i and sum(free[i - 1]) == offset:
            first -= 1
            offset = free[first][0]
        free[first:last] = [(offset, end - offset)]


def peaks(parts: Sequence[Part], order: Iterable[int], places: int) -> list[int]:
    """Peak bytes per place when the parts are played in this order.

    What a part makes of the buffers is worked out once for each state that it finds them in.
    """
    buffers = [Buffer() for _ in range(places)]
    outcomes: dict[tuple[int, State], State] = {}
    offsets: dict[int, int] = {}
    state: State = ((), tuple(tuple(b.free) for b in buffers))
    for i in order:
        if (i, state) not in outcomes:
            outcomes[i, state] = _play(parts[i], state, buffers, offsets)
        state = outcomes[i, state]
    return [b.peak for b in buffers]


def _play(part: Part, state: State, buffers: Sequence[Buffer], offsets: dict[int, int]) -> State:
    entering, free = state
    for buffer, ranges in zip(buffers, free, strict=True):
        buffer.free = list(ranges)
    for event, offset in zip(part.enters, entering, strict=True):
        offsets[event.range] = offset
    for number, place, size in part.events:
        if place == INHERITED:
            offsets[number] = offsets[size]
        elif number >= 0:
            offsets[number] = buffers[place].take(size)
        else:
            buffers[place].give(offsets[~number], size)
    return tuple(offsets[e.range] for e in part.leaves), tuple(tuple(b.free) for b in buffers)
