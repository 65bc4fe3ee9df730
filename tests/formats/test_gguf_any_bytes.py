"""Whatever the bytes: an answer, or one of two errors; and asking for more always ends."""

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.domain.header import GgufHeader, TensorInfo
from stackgen.formats.gguf import MAX_HEADER, FormatError, Truncated, parse_header
from tests.support.gguf_builder import Typed, build_gguf, one_after_another

HEADERS = Path(__file__).parents[1] / "headers"
REAL = (HEADERS / "bge-m3.gguf").read_bytes()
SMALL = build_gguf(
    {
        "general.architecture": "llama",
        "llama.attention.head_count_kv": [8, 8, 4],
        "tokenizer.ggml.tokens": ["a", "bb", ""],
        "nested": [[1], [2, 3]],
    },
    one_after_another([TensorInfo("token_embd.weight", (256, 4), 12), TensorInfo("norm", (256,), 0)]),
)


def outcome(data: bytes, file_size: int | None = None) -> GgufHeader | FormatError:
    """The header, or the error; any other error fails the test."""
    try:
        return parse_header(data, file_size=file_size)
    except FormatError as error:
        return error


def check(data: bytes, file_size: int | None = None) -> None:
    """A header, or an error that says something and asks for no more than there can be."""
    got = outcome(data, file_size)
    if isinstance(got, Truncated):
        assert len(data) < got.need <= min(MAX_HEADER, file_size or MAX_HEADER)
    assert isinstance(got, GgufHeader) or str(got)


@given(st.binary(max_size=400), st.sampled_from([2, 3]), st.sampled_from("<>"), st.booleans())
@settings(deadline=None)
def test_any_bytes(tail: bytes, version: int, order: str, known: bool) -> None:
    data = b"GGUF" + struct.pack(f"{order}I", version) + tail
    check(tail)
    check(data, len(data) if known else None)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_entries_after_plausible_counts(data: st.DataObject) -> None:
    number = st.one_of(st.integers(0, 40), st.integers(0, 2**64 - 1))
    counts = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    words = data.draw(st.lists(number, max_size=30))
    check(b"GGUF" + struct.pack(f"<IQQ{len(words)}Q", 3, *counts, *words))
    halves = data.draw(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 12), max_size=40))
    check(b"GGUF" + struct.pack(f"<IQQ{len(halves)}I", 3, *counts, *halves))


@pytest.mark.parametrize("base", [SMALL, REAL], ids=["small", "real"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_flipped_bytes(base: bytes, data: st.DataObject) -> None:
    changed = bytearray(base)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(base) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(changed), data.draw(st.sampled_from([None, len(base)])))


@pytest.mark.parametrize("position", range(4, 24))
@pytest.mark.parametrize("value", [0x00, 0x01, 0x7F, 0x80, 0xFF])
def test_every_byte_of_the_counts(position: int, value: int) -> None:
    check(REAL[:position] + bytes([value]) + REAL[position + 1 :])


def test_truncated_at_every_position() -> None:
    whole = parse_header(SMALL)
    for size in range(len(SMALL)):
        got, cut = outcome(SMALL[:size]), outcome(SMALL[:size], file_size=size)
        # Only the padding before the tensor data can be missing.
        assert got == cut == whole or (isinstance(got, Truncated) and not isinstance(cut, Truncated))
        check(SMALL[:size])
    assert outcome(SMALL[: len(SMALL) // 2]) != whole


@pytest.mark.parametrize("size", [0, 10, 100, 5000, len(REAL) - 64])
def test_a_cut_file_is_damaged_not_incomplete(size: int) -> None:
    with pytest.raises(FormatError) as caught:
        parse_header(REAL[:size], file_size=size)
    assert not isinstance(caught.value, Truncated)


def sizes_until_read(data: bytes, factor: float = 1.0) -> list[int]:
    """The sizes that a reader takes which grows by a factor, and at least to what is needed."""
    sizes = [0]
    while isinstance(got := outcome(data[: sizes[-1]]), Truncated):
        assert sizes[-1] < got.need <= len(data)
        sizes.append(max(got.need, int(factor * sizes[-1])))
    assert got == parse_header(data)
    return sizes


def test_growing_to_what_is_needed_ends() -> None:
    sizes_until_read(SMALL)
    assert len(sizes_until_read(REAL, factor=2)) < 12


def test_growing_over_a_token_list_ends_soon() -> None:
    data = build_gguf({"tokenizer.ggml.tokens": ["x" * 100] * 5000, "after": "y"})
    assert len(sizes_until_read(data)) < 100


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(
    strings=st.lists(TEXTS, max_size=300),
    numbers=st.lists(st.integers(0, 2**32 - 1), max_size=20),
    shape=st.lists(st.integers(0, 5), max_size=4),
    name=TEXTS.filter(str.isprintable),
)
@settings(deadline=None)
def test_both_byte_orders_say_the_same(
    strings: list[str], numbers: list[int], shape: list[int], name: str
) -> None:
    metadata = {
        "name": name,
        "strings": Typed(8, strings),
        "tokenizer.ggml.tokens": Typed(8, strings),
        "n": Typed(4, numbers),
    }
    tensors = one_after_another([TensorInfo(name, tuple(shape), 1), TensorInfo(name + "2", (64,), 8)])
    little, big = (parse_header(build_gguf(metadata, tensors, order=order)) for order in "<>")
    assert (little.metadata, little.tensors, little.file_bytes) == (big.metadata, big.tensors, big.file_bytes)
    assert little.metadata["strings"] == tuple(strings)
    assert (little.big_endian, big.big_endian) == (False, True)
