"""The fast way over strings is taken where it can be, and gives what hopping one by one gives."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.formats.gguf_strings import RUN, SHORT, _run_of_short_strings, end_of_strings

ORDERS = pytest.mark.parametrize("order", ["<", ">"])


def stored(lengths: list[int], order: str) -> bytes:
    return b"".join(struct.pack(f"{order}Q", n) + b"\0" * n for n in lengths)


@ORDERS
@pytest.mark.parametrize("length", range(SHORT))
def test_one_match_passes_over_a_run_of_short_strings(length: int, order: str) -> None:
    data = stored([length] * RUN, order)
    run = _run_of_short_strings(order).match(data)
    assert run is not None
    assert run.end() == len(data)


@ORDERS
@pytest.mark.parametrize("length", [SHORT, 256, 2**16, 2**32, 2**63])
def test_longer_strings_never_match(length: int, order: str) -> None:
    data = stored([1] * (RUN - 1), order) + struct.pack(f"{order}Q", length) + bytes(300)
    assert _run_of_short_strings(order).match(data) is None


@ORDERS
@given(
    lengths=st.lists(st.integers(0, 70) | st.integers(0, 400), max_size=4 * RUN), extra=st.binary(max_size=9)
)
@settings(deadline=None)
def test_the_end_is_exact(order: str, lengths: list[int], extra: bytes) -> None:
    data = b"abc" + stored(lengths, order)
    assert end_of_strings(data + extra, 3, len(lengths), len(data), order) == len(data)


@ORDERS
@given(lengths=st.lists(st.integers(0, 70), min_size=1, max_size=3 * RUN), data=st.data())
@settings(deadline=None)
def test_an_early_end_is_seen(order: str, lengths: list[int], data: st.DataObject) -> None:
    whole = stored(lengths, order)
    end = data.draw(st.integers(0, len(whole) - 1))
    assert end < end_of_strings(whole[:end], 0, len(lengths), end, order) <= len(whole)
