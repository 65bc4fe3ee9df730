"""Model files without their weights: the header, then a hole of the real length. Takes KiB on disk."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stackgen.domain.failure import Failure
from stackgen.domain.header import GgufHeader, MetaValue
from stackgen.domain.lock import LockedFile
from stackgen.formats.errors import Truncated
from stackgen.formats.gguf import parse_header, shard_count, shard_names
from stackgen.formats.gguf_write import write_header
from stackgen.io import cache

FIRST = 8 * 1024**2
"""Bytes to read at first: enough for most headers."""


class SparseFileError(Failure):
    """A file system that keeps no holes, or is full."""


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of one file, which holds its header, and the length of the whole file."""

    data: bytes
    size: int


def from_file(path: Path) -> tuple[Head, ...]:
    """Of a GGUF file or header here; of a split model, of all its files. Raises FormatError and OSError."""
    header, head = _head(path)
    count = shard_count(header)
    if count == 1:
        return (head,)
    return tuple(_head(path.with_name(name))[1] for name in shard_names(path.name, count))


def from_cache(files: Sequence[LockedFile]) -> tuple[Head, ...] | None:
    """Of locked files whose headers were read when they were locked; None when one is not in the cache."""
    found = [cache.get(f.sha256, f.size, _kept) for f in files]
    heads = tuple(head for head in found if head is not None)
    return heads if heads and len(heads) == len(files) else None


def from_header(header: GgufHeader) -> tuple[Head, ...]:
    """Of a header that no file has, such as a catalog's. Raises FormatError when it cannot be written.

    A catalog knows no tokenizer; `none` is what llama.cpp calls that.
    """
    types = next((t.shape[-1] for t in header.tensors if t.name == "token_types.weight"), 0)
    tokenizer: dict[str, MetaValue] = {"tokenizer.ggml.model": "none"}
    if types:
        tokenizer["tokenizer.ggml.token_type_count"] = types
    data = write_header(replace(header, metadata=tokenizer | dict(header.metadata)))
    return (Head(data, len(data) + header.file_bytes - header.header_bytes),)


def write(heads: Sequence[Head], folder: Path) -> Path:
    """Write the files of one model; the path of the first. Raises SparseFileError."""
    first = "model.gguf" if len(heads) == 1 else f"model-00001-of-{len(heads):05}.gguf"
    names = shard_names(first, len(heads))
    for name, head in zip(names, heads, strict=True):
        _write(folder / name, head)
    return folder / names[0]


def _write(path: Path, head: Head) -> None:
    try:
        path.write_bytes(head.data[: head.size])
        os.truncate(path, head.size)
    except OSError as exc:
        raise SparseFileError(
            f"{path.parent} cannot hold a file with a hole of {head.size} bytes: {exc.strerror or exc}",
            "set TMPDIR to a folder on a file system that keeps sparse files, such as ext4, xfs, btrfs or tmpfs",
        ) from exc


def _head(path: Path) -> tuple[GgufHeader, Head]:
    size = path.stat().st_size
    with path.open("rb") as file:
        data = file.read(FIRST)
        while True:
            try:
                header = parse_header(data, file_size=size)
            except Truncated as exc:
                data += file.read(max(exc.need - len(data), len(data)))
            else:
                return header, Head(data[: header.header_bytes], max(size, header.file_bytes))


def _kept(data: memoryview, size: int | None) -> Head:
    header = parse_header(data, file_size=size)
    return Head(bytes(data[: header.header_bytes]), max(size or 0, header.file_bytes))
