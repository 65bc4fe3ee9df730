"""Files of split models: their names, their order, and what cannot be one model."""

from dataclasses import replace
from typing import Any

import pytest

from stackgen.domain.header import GgufHeader, TensorInfo
from stackgen.formats.gguf import FormatError, merge_shards, shard_count, shard_names


def shard(number: Any, count: Any = 3, total: Any = 3, **more: Any) -> GgufHeader:
    metadata = {"split.no": number, "split.count": count, "split.tensors.count": total}
    first = {"general.architecture": "llama"} if number == 0 else {}
    return GgufHeader(
        metadata=first | metadata | more,
        tensors=(TensorInfo(f"blk.{number}.w", (32,), 0),),
        header_bytes=100,
        file_bytes=228,
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_files_merge_in_any_order(order: tuple[int, ...]) -> None:
    merged = merge_shards([shard(number) for number in order])
    assert merged.metadata == {"general.architecture": "llama"}
    assert [tensor.name for tensor in merged.tensors] == ["blk.0.w", "blk.1.w", "blk.2.w"]
    assert (merged.header_bytes, merged.file_bytes) == (300, 684)
    assert shard_count(merged) == 1


@pytest.mark.parametrize(
    "metadata", [{}, {"split.count": 0, "split.tensors.count": 1}, {"split.no": 0, "split.count": 1}]
)
def test_what_is_not_split_stays_as_it_is(metadata: dict[str, int]) -> None:
    header = GgufHeader(metadata=metadata, tensors=())
    assert merge_shards([header]) is header
    assert shard_count(header) == 1


NOT_A_MODEL = {
    "none": ([], "not the files of one"),
    "missing": ([shard(0), shard(2)], "missing: 2"),
    "only-one": ([shard(1)], "missing: 1, 3"),
    "twice": ([shard(0), shard(1), shard(1)], "file 2 of 3 .* twice"),
    "beyond": ([shard(0), shard(1), shard(3)], "file 4 of 3"),
    "negative": ([shard(0), shard(1), shard(-1)], "file 0 of 3"),
    "other-count": ([shard(0, 2), shard(1, 3)], "not the files of one"),
    "two-plain": ([GgufHeader(metadata={}, tensors=())] * 2, "split.no"),
    "too-few-tensors": ([shard(n, total=4) for n in range(3)], "hold 3 tensors; there should be 4"),
    "text": ([shard(0, "3")], "the number `split.count`"),
    "no-number": ([shard(0), shard(1), shard(None)], "the number `split.no`"),
    "byte-orders": ([shard(0), shard(1), replace(shard(2), big_endian=True)], "not the files of one"),
    "same-tensor": ([shard(0), shard(1), replace(shard(2), tensors=shard(0).tensors)], "more than one file"),
    "huge-count": ([shard(0, 2**64 - 1)], "missing: 2, 3"),
}


@pytest.mark.parametrize(("headers", "message"), NOT_A_MODEL.values(), ids=NOT_A_MODEL)
def test_what_is_not_one_model(headers: list[GgufHeader], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        merge_shards(headers)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_names_follow_from_any_of_them(number: int) -> None:
    assert shard_names(f"UD-Q4_K_XL/GLM-4.5-0000{number}-of-00003.gguf", 3) == (
        "UD-Q4_K_XL/GLM-4.5-00001-of-00003.gguf",
        "UD-Q4_K_XL/GLM-4.5-00002-of-00003.gguf",
        "UD-Q4_K_XL/GLM-4.5-00003-of-00003.gguf",
    )


def test_one_file_may_have_any_name() -> None:
    assert shard_names("sub/llama-q4.gguf", 1) == ("sub/llama-q4.gguf",)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("m.gguf", 3),
        ("m-00001-of-00002.gguf", 3),
        ("m-00000-of-00003.gguf", 3),
        ("m-00004-of-00003.gguf", 3),
        ("m-00001-of-00003.gguf.part", 3),
        ("m-٠٠٠٠١-of-٠٠٠٠٣.gguf", 3),
        ("m-1-of-3.gguf", 3),
        ("-00001-of-00003.gguf", 3),
        ("../m-00001-of-00003.gguf", 3),
        ("/etc/m-00001-of-00003.gguf", 3),
        ("a//m-00001-of-00003.gguf", 3),
        ("a/../../m-00001-of-00003.gguf", 3),
        ("a\\..\\m-00001-of-00003.gguf", 3),
        ("m\n-00001-of-00003.gguf", 3),
        ("m\0.gguf", 1),
        ("..", 1),
        ("", 1),
        ("m-00001-of-00000.gguf", 0),
        ("m-00001-of-00003.gguf", -3),
        ("m-00001-of-00003.gguf", 2**40),
    ],
)
def test_names_that_are_refused(name: str, count: int) -> None:
    with pytest.raises(FormatError):
        shard_names(name, count)
