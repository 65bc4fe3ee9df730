"""How many bytes a schedule needs on each place (`ggml_gallocr_reserve_n_size`, `ggml_dyn_tallocr`)."""

from stackgen.memory.graph.scheduler import Schedule
from stackgen.memory.graph.tensors import Tensor, same_layout

ALIGNMENT = 32
"""Of host buffers and of the devices that stand in for GPUs when the engine is asked; CUDA's is 128."""
_ENDLESS = 1 << 62


class Buffer:
    """The free ranges of one place's buffer: best fit, the endless last range only when nothing else fits."""

    __slots__ = ("free", "peak")

    def __init__(self) -> None:
        self.free: list[list[int]] = [[0, _ENDLESS]]
        """[offset, size], by offset."""
        self.peak = 0

    def take(self, size: int) -> int:
        """The offset of a new range."""
        best, best_size = -1, _ENDLESS
        free = self.free
        for i in range(len(free) - 1):
            have = free[i][1]
            if size <= have <= best_size:
                best, best_size = i, have
        block = free[best]  # -1: the last one
        offset = block[0]
        block[0] += size
        block[1] -= size
        if block[1] == 0:
            del free[best]
        if offset + size > self.peak:
            self.peak = offset + size
        return offset

    def give(self, offset: int, size: int) -> None:
        """Return a range, joined with its neighbours."""
        free, end = self.free, offset + size
        i = 0
        while i < len(free) and free[i][0] < offset:
            i += 1
        before = free[i - 1] if i else None
        after = free[i] if i < len(free) else None
        if before is not None and before[0] + before[1] == offset:
            before[1] += size
            if after is not None and after[0] == end:
                before[1] += after[1]
                del free[i]
        elif after is not None and after[0] == end:
            after[0] = offset
            after[1] += size
        else:
            free.insert(i, [offset, size])


class Allocator:
    """Walks a schedule once, giving each tensor bytes from its birth to its last use."""

    def __init__(self, places: int, alignment: int = ALIGNMENT) -> None:
        self.buffers = [Buffer() for _ in range(places)]
        self.alignment = alignment

    def run(self, plan: Schedule) -> list[int]:
        """Peak bytes per place."""
        for leaf in plan.leafs:
            self._allocate(leaf)
        self._count_readers(plan.nodes)
        for t in plan.nodes:
            # This loop runs for every operand of every node: the tests stand here to spare the calls.
            for s in t.src:
                if not s.owned and s.place is None and s.view is None:
                    self._allocate(s)
            if t.view is None and not t.owned and t.place is None:
                self._allocate(t)
            for s in t.src:
                s.n_children -= 1
                if not s.n_children and not s.n_views and (s.owned or s.view is not None):
                    self._release(s)
        return [b.peak for b in self.buffers]

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

    def _allocate(self, t: Tensor) -> None:
        if t.owned or t.place is not None or t.view is not None:
            return
        t.owned = True
        if not t.bytes:
            t.bytes = -(-t.size // self.alignment) * self.alignment
        if t.inplace and self._take_over(t):
            return
        t.address = (t.backend, self.buffers[t.backend].take(t.bytes))

    def _take_over(self, t: Tensor) -> bool:
        """Use the bytes of an operand that nobody else needs any more; views never qualify."""
        for parent in t.src:
            if (
                parent.owned
                and not parent.output
                and parent.n_children == 1
                and parent.n_views == 0
                and same_layout(t, parent)
            ):
                t.address = parent.address
                parent.owned = False
                return True
        return False

    def _release(self, s: Tensor) -> None:
        """Nobody reads s any more: give its bytes back, or, when it is a view, perhaps its source's."""
        if s.view is not None:
            root = s.view
            root.n_views -= 1
            if root.n_views or root.n_children or not root.owned:
                return
            s = root
        if s.owned and not s.output:
            place, offset = s.address
            self.buffers[place].give(offset, s.bytes)
            s.owned = False
