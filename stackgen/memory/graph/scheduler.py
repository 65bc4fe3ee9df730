"""Where each node runs and what must be copied between places (`ggml_backend_sched_split_graph`).

Places are numbers, devices first, the host last. Devices are assumed to support every operation. The
engine's wish to run a block's first norm on the block's own device is left out: its memory pass forgets it
before it measures.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stackgen.memory.graph.tensors import Graph, Tensor

PIPELINE_COPIES = 4
"""GGML_SCHED_MAX_COPIES."""
OFFLOAD_BATCH = 32
"""GGML_OP_OFFLOAD_MIN_BATCH, its default."""


@dataclass(slots=True)
class Schedule:
    """Nodes and leafs in the order of allocation, each with its place (the node's `backend`)."""

    nodes: list[Tensor] = field(default_factory=list)
    leafs: list[Tensor] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    """How many nodes there are before each part that follows the first."""
    n_splits: int = 0


def schedule(graph: Graph, host: int, *, pipeline: bool, offload: bool = False) -> Schedule:
    """Assign places, split, and add the copies of what crosses a split.

    `offload`: as CUDA does, compute with the host's weights on the first device when a batch is large.
    """
    for t in (*graph.leafs, *graph.nodes):
        place = _by_weights(t, host)
        t.backend = 0 if offload and place == host and _worth_moving(t) else place
    work = [t for t in graph.nodes if not t.is_view]
    # Devices spread over what nothing pins, first down, then up; the host takes what is left.
    _spread(work, skip=host)
    _spread(reversed(work), skip=host)
    _spread(work, skip=-1)
    _spread(reversed(work), skip=-1)
    _settle(graph)
    return _split(graph, host, PIPELINE_COPIES if pipeline else 1)


def _by_weights(t: Tensor, host: int) -> int:
    """The place that a tensor's own storage or its weights dictate, or -1."""
    home = t.place if t.view is None else t.view.place
    if home is not None:
        return home
    if t.input:
        return host
    if not t.weak:
        for s in t.src:
            if s.weight and s.place is not None:
                return s.place
    return -1


def _worth_moving(t: Tensor) -> bool:
    """Whether CUDA would take an operation on host weights: 32 tokens or more, and no rows of a table."""
    weights = any(s.weight for s in t.src)
    return weights and not t.lookup and (t.ne[2] if t.by_expert else t.ne[1]) >= OFFLOAD_BATCH


def _spread(nodes: Iterable[Tensor], skip: int) -> None:
    current = -1
    for t in nodes:
        if t.backend != -1:
            current = -1 if t.backend == skip else t.backend
        elif current != -1:
            t.backend = current


def _settle(graph: Graph) -> None:
    """Views go where their source is, operands without a place where they are used."""
    for t in graph.nodes:
        if t.view is not None and t.backend == -1:
            t.backend = t.view.backend
        for s in t.src:
            if s.backend == -1:
                s.backend = s.view.backend if s.view is not None else t.backend
        if t.backend == -1:
            t.backend = 0


def _foreign(s: Tensor, place: int) -> bool:
    """Whether a tensor's bytes are elsewhere, so that this place needs a copy."""
    if s.backend == place:
        return False
    root = s.view or s
    home = root.place if root.place is not None else s.backend if s.backend != -1 else root.backend
    return home != place


def _fetches(t: Tensor) -> bool:
    """Whether an operation reads weights that are elsewhere."""
    for s in t.src:  # noqa: SIM110 - a generator takes twice the time
        if s.weight and _foreign(s, t.backend):
            return True
    return False


def _split(graph: Graph, host: int, n_copies: int) -> Schedule:
    """Runs of nodes on one place, each with the inputs that must be copied to it at its start."""
    current = next((t.backend for t in graph.nodes if not t.is_view), host)
    inputs: list[Tensor] = []
    nodes: list[Tensor] = []
    splits = [(current, inputs, nodes)]
    for t in graph.nodes:
        if t.is_view:
            nodes.append(t)
            continue
        # A weight from elsewhere starts a split, so that its copy can reuse the bytes of the last one.
        fetched = inputs and t.backend == current and _fetches(t)
        if t.backend != current or fetched:
            current, inputs, nodes = t.backend, [], []
            splits.append((current, inputs, nodes))
        for s in t.src:
            if s.backend != current and _foreign(s, current):
                if s.copies is None:
                    s.copies = {}
                if current not in s.copies:
                    s.copies[current] = _copy(s, current, pinned=n_copies > 1)
                    inputs.append(s)
                t.src = tuple(_local(x, current) for x in t.src)
        nodes.append(t)
    return _lay_out(graph, splits, n_copies)


def _local(s: Tensor, place: int) -> Tensor:
    """The copy of s on this place, or s itself where it needs none (or none yet)."""
    if s.copies is not None and place in s.copies and _foreign(s, place):
        return s.copies[place]
    return s


def _copy(s: Tensor, place: int, *, pinned: bool) -> Tensor:
    t = Tensor(s.type, s.ne)
    t.nb, t.backend, t.input, t.output = s.nb, place, pinned, pinned
    if s.weight:
        t.bytes = -(-s.bytes // 32) * 32
    return t


def _lay_out(graph: Graph, splits: list[tuple[int, list[Tensor], list[Tensor]]], n_copies: int) -> Schedule:
    out = Schedule(n_splits=len(splits))
    if n_copies > 1:
        for leaf in graph.leafs:
            if leaf.input:
                leaf.output = True
                out.leafs.append(leaf)
                out.leafs += [_copy(leaf, leaf.backend, pinned=True) for _ in range(n_copies - 1)]
    n_done = 0
    for place, inputs, nodes in splits:
        for s in inputs:
            first = s.copies[place] if s.copies else s
            keep = Tensor(s.type, s.ne, (s,))  # keeps the source alive until it is copied
            keep.place = keep.backend = s.backend  # it takes no bytes itself
            out.nodes += [keep, first]
            if n_copies > 1:
                out.leafs.append(first)
                out.leafs += [_copy(s, place, pinned=True) for _ in range(n_copies - 1)]
        while len(out.marks) < len(graph.marks) and graph.marks[len(out.marks)] <= n_done + len(nodes):
            out.marks.append(len(out.nodes) + graph.marks[len(out.marks)] - n_done)
        out.nodes += nodes
        n_done += len(nodes)
    out.leafs += graph.leafs
    return out
