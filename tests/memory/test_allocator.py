"""The mirrored allocator and scheduler on graphs small enough to follow by hand."""

from stackgen.memory.graph.allocator import Buffer, peaks
from stackgen.memory.graph.lifetimes import lifetimes
from stackgen.memory.graph.scheduler import Schedule, schedule
from stackgen.memory.graph.tensors import Graph, Tensor, same_layout


def needed(plan: Schedule, places: int) -> list[int]:
    """Peaks of a schedule of one part."""
    return peaks(lifetimes(plan), [0], places)


def test_best_fit_then_the_endless_end() -> None:
    buffer = Buffer()
    a, b, c = buffer.take(64), buffer.take(32), buffer.take(64)
    assert (a, b, c) == (0, 64, 96)
    buffer.give(b, 32)
    assert buffer.take(32) == 64  # the hole that fits
    assert buffer.take(96) == 160  # no hole is large enough
    assert buffer.peak == 256


def test_neighbours_are_joined() -> None:
    buffer = Buffer()
    offsets = [buffer.take(32) for _ in range(3)]
    for offset in (offsets[0], offsets[2], offsets[1]):
        buffer.give(offset, 32)
    assert buffer.free[0][0] == 0
    assert len(buffer.free) == 1


def _chain(g: Graph, length: int) -> Tensor:
    """x -> matrix -> matrix ... each [8, 8] of f32: 256 bytes."""
    x = g.input("f32", 8, 8)
    for _ in range(length):
        x = g.mul_mat(g.weight(0, 8, 8), x)
    x.output = True
    return g.expand(x)


def test_a_chain_needs_two_buffers_however_long() -> None:
    for length in (2, 5, 9):
        g = Graph()
        _chain(g, length)
        device, host = needed(schedule(g, host=1, pipeline=False), 2)
        assert device == 2 * 256  # what is read and what is written; the input's copy is the first of them
        assert host == 256


def test_in_place_operations_take_no_bytes() -> None:
    sizes = []
    for scaled in (False, True):
        g = Graph()
        x = g.mul_mat(g.weight(0, 8, 8), g.input("f32", 8, 8))
        x = g.same(x) if scaled else x
        g.expand(g.mul_mat(g.weight(0, 8, 8), x))
        sizes.append(needed(schedule(g, host=1, pipeline=False), 2))
    assert sizes[0] == sizes[1]


def test_pipelining_keeps_four_copies_of_what_crosses() -> None:
    def run(*, pipeline: bool) -> list[int]:
        g = Graph()
        x = g.mul_mat(g.weight(0, 8, 8), g.input("f32", 8, 8))
        g.expand(g.mul_mat(g.weight(1, 8, 8), x))
        return needed(schedule(g, host=2, pipeline=pipeline), 3)

    once, four = run(pipeline=False), run(pipeline=True)
    assert [b - a for a, b in zip(once, four, strict=True)] == [3 * 256, 3 * 256, 3 * 256]


def test_views_share_their_source() -> None:
    g = Graph()
    x = g.mul_mat(g.weight(0, 8, 8), g.input("f32", 8, 8))
    turned = g.permute(x, 1, 0, 2, 3)
    assert not same_layout(x, turned)
    assert turned.view is x
    assert g.reshape(turned, 64).view is x
    assert g.view(x, 4, 8, nb=(32,)).size == 4 * 4 + 7 * 32


def test_host_weights_stay_on_the_host_unless_offloaded() -> None:
    def place_of(*, offload: bool, tokens: int) -> int:
        g = Graph()
        x = g.mul_mat(g.weight(1, 8, 8, size=256), g.input("f32", 8, tokens))
        g.expand(x)
        schedule(g, host=1, pipeline=False, offload=offload)
        return x.backend

    assert place_of(offload=False, tokens=64) == 1
    assert place_of(offload=True, tokens=64) == 0
    assert place_of(offload=True, tokens=8) == 1  # not worth it below 32 tokens
