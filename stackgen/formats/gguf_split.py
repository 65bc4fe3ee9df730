"""Models that are split over several GGUF files, named `<model>-00001-of-00003.gguf` and so on.

The keys and the naming are llama.cpp's own (`gguf-split`): `split.no` counts from 0, names count from 1.
"""

import re
from collections.abc import Sequence
from typing import Final

from stackgen.domain.header import GgufHeader
from stackgen.formats.errors import FormatError

MAX_SHARDS: Final = 65_535
"""`split.count` is an unsigned 16-bit number."""

_SHARD_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.ASCII)


def shard_count(header: GgufHeader) -> int:
    """How many files the model of this header is split into: 1 when it is not split."""
    # Merging the files of a split model leaves a count of 0 behind.
    return max(1, _split_key(header, "count", 1))


def shard_names(name: str, count: int) -> tuple[str, ...]:
    """The names of all files of a split model in their order, from the name of any one of them.

    `name` may be a path relative to a folder, with forward slashes; it must stay inside that folder.
    """
    if not 1 <= count <= MAX_SHARDS:
        raise FormatError(f"a model split into {count} files is not possible; 1 to {MAX_SHARDS} are")
    if "\\" in name or not name.isprintable() or any(part in {"", ".", ".."} for part in name.split("/")):
        raise FormatError(f"{name!r:.200} is not a plain file name")
    if count == 1:
        return (name,)
    match = _SHARD_NAME.fullmatch(name)
    if match is None or int(match["count"]) != count or not 1 <= int(match["number"]) <= count:
        raise FormatError(
            f"{name!r:.200} is not the name of one of {count} files, such as `m-00001-of-{count:05}.gguf`"
        )
    return tuple(f"{match['stem']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1))


def merge_shards(headers: Sequence[GgufHeader]) -> GgufHeader:
    """One header for all files of a split model, given in any order.

    Metadata is that of the first file, less the `split.` keys; sizes are sums; offsets stay those within each
    file. Raises FormatError for files that are missing, there twice, or not of one model.
    """
    if len(headers) == 1 and shard_count(headers[0]) == 1:
        return headers[0]
    shards = _in_order(headers)
    tensors = tuple(tensor for shard in shards for tensor in shard.tensors)
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise FormatError("a tensor is in more than one file of the split model")
    expected = _split_key(shards[0], "tensors.count", len(tensors))
    if len(tensors) != expected:
        raise FormatError(
            f"the files of the split model hold {len(tensors)} tensors; there should be {expected}"
        )
    return GgufHeader(
        metadata={key: value for key, value in shards[0].metadata.items() if not key.startswith("split.")},
        tensors=tensors,
        alignment=shards[0].alignment,
        header_bytes=sum(shard.header_bytes for shard in shards),
        file_bytes=sum(shard.file_bytes for shard in shards),
        big_endian=shards[0].big_endian,
    )


def _in_order(headers: Sequence[GgufHeader]) -> list[GgufHeader]:
    counts = {shard_count(header) for header in headers}
    if len(counts) != 1 or len({header.big_endian for header in headers}) != 1:
        raise FormatError("these are not the files of one split model")
    (count,) = counts
    by_number: dict[int, GgufHeader] = {}
    for header in headers:
        number = _split_key(header, "no")
        if number in by_number or not 0 <= number < count:
            raise FormatError(f"file {number + 1} of {count} of the split model is there twice or cannot be")
        by_number[number] = header
    missing = [str(number + 1) for number in range(min(count, MAX_SHARDS)) if number not in by_number]
    if missing:
        raise FormatError(
            f"of the {count} files of the split model, these are missing: {', '.join(missing[:8])}"
        )
    return [by_number[number] for number in range(count)]


def _split_key(header: GgufHeader, key: str, default: int | None = None) -> int:
    value = header.metadata.get(f"split.{key}", default)
    if type(value) is not int:
        raise FormatError(f"a file of a split model needs the number `split.{key}`, and has {value!r:.90}")
    return value
