"""What a header says, and what is refused and how."""

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from stackgen.domain.ggml import TYPES, tensor_bytes
from stackgen.domain.header import SkippedArray, TensorInfo
from stackgen.formats.gguf import MAX_HEADER, FormatError, Truncated, parse_header
from tests.support.gguf_builder import (
    ARRAY,
    BOOL,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    STRING,
    U8,
    U16,
    U32,
    U64,
    Typed,
    build_gguf,
    one_after_another,
)

HEADERS = Path(__file__).parents[1] / "headers"
INDEX = json.loads((HEADERS / "index.json").read_text())

VALUES: dict[str, tuple[Any, Any]] = {
    "u8": (Typed(U8, 255), 255),
    "i8": (Typed(I8, -128), -128),
    "u16": (Typed(U16, 65535), 65535),
    "i16": (Typed(I16, -2), -2),
    "u32": (Typed(U32, 2**32 - 1), 2**32 - 1),
    "i32": (Typed(I32, -3), -3),
    "u64": (Typed(U64, 2**64 - 1), 2**64 - 1),
    "i64": (Typed(I64, -(2**63)), -(2**63)),
    "f32": (Typed(F32, 0.5), 0.5),
    "f64": (Typed(F64, 0.1), 0.1),
    "bool": (Typed(BOOL, True), True),
    "string": ("Ġtoken ▁", "Ġtoken ▁"),
    "empty": ("", ""),
    "ints": (Typed(I32, [4, -1, 8]), (4, -1, 8)),
    "bools": (Typed(BOOL, [True, False]), (True, False)),
    "strings": (["a", "", "ccc"], ("a", "", "ccc")),
    "nothing": (Typed(U32, []), ()),
    "nested": ([[1, 2], [3]], ((1, 2), (3,))),
}
TENSORS = one_after_another(
    [
        TensorInfo("token_embd.weight", (256, 100), 12),
        TensorInfo("blk.0.ffn_up_exps.weight", (64, 32, 8), 8),
        TensorInfo("output_norm.weight", (256,), 0),
        TensorInfo("scale", (), 0),
    ]
)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [2, 3])
def test_every_kind_of_value_and_tensor_is_read(version: int, order: str) -> None:
    data = build_gguf({k: v for k, (v, _) in VALUES.items()}, TENSORS, version=version, order=order)
    header = parse_header(data)
    assert header.metadata == {key: expected for key, (_, expected) in VALUES.items()}
    assert header.tensors == TENSORS
    assert header.big_endian == (order == ">")
    assert header.header_bytes == len(data)
    # 100 rows of one 144-byte block; 256 rows of two 34-byte blocks; 1024 bytes; 4 bytes in 32.
    assert header.file_bytes == len(data) + 14400 + 17408 + 1024 + 32


@pytest.mark.parametrize("name", sorted(INDEX))
def test_real_headers(name: str) -> None:
    data = (HEADERS / f"{name}.gguf").read_bytes()
    header, expected = parse_header(data), INDEX[name]
    assert header.architecture == expected["arch"]
    assert len(header.tensors) == expected["tensors"]
    assert header.header_bytes == expected["header_bytes"] == len(data)
    assert header.file_bytes == expected["file_bytes"]


def test_a_memoryview_reads_like_bytes() -> None:
    data = (HEADERS / "gpt-oss-20b.gguf").read_bytes()
    assert parse_header(memoryview(data)) == parse_header(data)


def test_alignment_moves_the_tensor_data() -> None:
    tensors = one_after_another([TensorInfo("a", (3,), 0), TensorInfo("b", (3,), 0)], 4096)
    data = build_gguf({"general.alignment": 4096}, tensors, alignment=4096)
    header = parse_header(data)
    assert (header.alignment, header.header_bytes, header.file_bytes) == (4096, 4096, 3 * 4096)


@pytest.mark.parametrize("kind", [U8, U16, I32, F32, BOOL, U64])
def test_long_arrays_are_passed_over(kind: int) -> None:
    header = parse_header(build_gguf({"long": Typed(kind, [0] * 5000), "after": 7}))
    assert header.metadata == {"long": SkippedArray(kind, 5000), "after": 7}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "texts",
    [
        ["the"] * 5000,
        [""] * 5000,
        ["x" * (n % 64) for n in range(5000)],
        ["x" * (n % 301) for n in range(5000)],
        ["x" * 5000] * 300,
        [*["ab"] * 127, "y" * 70_000, *["\0"] * 129],
        ["\0" * 17] * 1000,
        ["only"],
        [],
    ],
    ids=["same", "empty", "short", "mixed", "long", "one-long", "zeros", "one", "none"],
)
def test_token_lists_are_passed_over(texts: list[str], order: str) -> None:
    data = build_gguf({"tokenizer.ggml.tokens": Typed(STRING, texts), "after": 7}, TENSORS, order=order)
    header = parse_header(data)
    assert header.metadata == {"tokenizer.ggml.tokens": SkippedArray(STRING, len(texts)), "after": 7}
    assert header.tensors == TENSORS


def test_invalid_utf8_is_replaced() -> None:
    data = build_gguf({"name": "abc"}).replace(b"abc", b"a\xffc")
    assert parse_header(data).metadata == {"name": "a\ufffdc"}


def entry(kind: int, body: bytes, key: bytes = b"k") -> bytes:
    """A header with one metadata entry, written byte by byte."""
    return b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, len(key)) + key + struct.pack("<I", kind) + body


def array(kind: int, length: int) -> bytes:
    return struct.pack("<IQ", kind, length)


def one_tensor(shape: tuple[int, ...], type_id: int = 0, offset: int = 0) -> bytes:
    return build_gguf({}, [TensorInfo("t", shape, type_id, offset)])


REFUSED = {
    "html": (b"<!DOCTYPE html><html><title>Sign in</title>", "HTML page"),
    "html-indented": (b"\n  <html>", "HTML page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
    "magic": (b"ggjt" + bytes(100), "starts with b'ggjt"),
    "one-byte": (b"X", "not a GGUF file"),
    "version-0": (b"GGUF" + bytes(100), "version 0"),
    "version-1": (build_gguf({}, version=1), "version 1 is not supported"),
    "version-4-big": (build_gguf({}, version=4, order=">"), "version 4 is not supported"),
    "version-259-big": (b"GGUF" + bytes([0, 0, 1, 3]) + bytes(16), "version 259 is not supported"),
    "tensors": (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "limit"),
    "entries": (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**64 - 1), "limit"),
    "value-type": (entry(13, bytes(8)), "unknown type 13"),
    "item-type": (entry(ARRAY, array(99, 1) + bytes(8)), "unknown type 99"),
    "string-10-gib": (entry(STRING, struct.pack("<Q", 10 * 2**30)), "10.0 GiB"),
    "string-max": (entry(STRING, struct.pack("<Q", 2**64 - 1)), "claims"),
    "key": (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 70_000) + bytes(9), "name claims 70000 bytes"),
    "array-huge": (entry(ARRAY, array(U64, 2**61)), "claims"),
    "strings-huge": (entry(ARRAY, array(STRING, 2**61)), "claims"),
    "token-huge": (
        entry(ARRAY, array(STRING, 200) + struct.pack("<Q", 2**63) + bytes(1600), b"tokenizer.t"),
        "claims",
    ),
    "deep": (entry(ARRAY, array(ARRAY, 1) * 50_000), "nests arrays"),
    "wide": (entry(ARRAY, array(ARRAY, 5000) + array(U8, 0) * 5000), "nests arrays"),
    "twice": (build_gguf([("a", 1), ("a", 2)]), "'a' occurs twice"),
    "tensor-twice": (build_gguf({}, [TensorInfo("t", (1,), 0)] * 2), "'t' occurs twice"),
    "dims": (one_tensor((1, 1, 1, 1, 1)), "5 dimensions"),
    "dims-huge": (b"GGUF" + struct.pack("<IQQQI", 3, 1, 0, 0, 2**32 - 1) + bytes(64), "dimensions"),
    "elements": (one_tensor((2**32, 2**31)), "64 bits"),
    "one-dim": (one_tensor((2**63, 0)), "64 bits"),
    "bytes": (one_tensor((2**62,)), "64 bits"),
    "offset": (one_tensor((1,), offset=2**63), "64 bits"),
    "ggml-type": (one_tensor((1,), 4), "unknown ggml type 4"),
    "row": (one_tensor((100,), 12), "100 elements"),
    "scalar-row": (one_tensor((), 12), "whole blocks of q4_K"),
    "alignment-0": (build_gguf({"general.alignment": 0}), "power of two"),
    "alignment-24": (build_gguf({"general.alignment": 24}), "power of two"),
    "alignment-bool": (build_gguf({"general.alignment": True}), "power of two"),
    "alignment-text": (build_gguf({"general.alignment": "32"}), "power of two"),
    "alignment-array": (build_gguf({"general.alignment": [32]}), "power of two"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        parse_header(data)
    assert not isinstance(caught.value, Truncated)


@pytest.mark.parametrize("data", [data for data, _ in REFUSED.values()], ids=REFUSED)
def test_refusing_takes_no_memory_to_speak_of(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            parse_header(data)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"GG", b"GGUF", b"GGUF\3\0\0\0" + bytes(15)])
def test_too_few_bytes_ask_for_more(data: bytes) -> None:
    with pytest.raises(Truncated) as caught:
        parse_header(data)
    assert caught.value.need == 24


def test_a_claim_within_the_limit_asks_for_all_of_it_at_once() -> None:
    data = entry(STRING, struct.pack("<Q", 2**20))
    with pytest.raises(Truncated) as caught:
        parse_header(data)
    assert caught.value.need == len(data) + 2**20


def test_the_file_size_bounds_claims() -> None:
    data = entry(STRING, struct.pack("<Q", 2**20))
    with pytest.raises(FormatError, match="cut short or damaged") as caught:
        parse_header(data, file_size=2**20)
    assert not isinstance(caught.value, Truncated)
    with pytest.raises(Truncated):
        parse_header(data, file_size=2**21)


def test_a_header_larger_than_the_limit_is_refused_even_if_the_file_is_larger() -> None:
    with pytest.raises(FormatError, match="more than 32 MiB is taken for damage"):
        parse_header(entry(ARRAY, struct.pack("<IQ", U8, MAX_HEADER)), file_size=2**40)


def test_what_is_built_has_a_limit_and_what_is_passed_over_has_none() -> None:
    """A number of an array takes up to ten times its byte, and a wide character makes four bytes of each."""
    many = [(f"k{n}", Typed(U8, [7] * 4096)) for n in range(65)]
    with pytest.raises(FormatError, match="arrays hold more than 262144 items"):
        parse_header(build_gguf(many))
    assert parse_header(build_gguf([(f"tokenizer.{k}", v) for k, v in many])).metadata
    texts = [(f"k{n}", "x" * 2**20) for n in range(5)]
    with pytest.raises(FormatError, match="all of them may take 4 MiB"):
        parse_header(build_gguf(texts))
    assert len(parse_header(build_gguf(texts[:3])).metadata) == 3


def test_messages_do_not_carry_control_characters_or_endless_names() -> None:
    name = "\x1b[31m" + "x" * 60_000
    with pytest.raises(FormatError) as caught:
        parse_header(build_gguf([(name, 1), (name, 2)]))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_type_geometry() -> None:
    assert tensor_bytes(12, (256, 3)) == 3 * 144
    assert tensor_bytes(39, (64, 2, 5)) == 2 * 2 * 5 * 17
    assert tensor_bytes(0, ()) == 4
    assert all(kind.block & (kind.block - 1) == 0 and kind.size for kind in TYPES.values())
