"""Model files on this machine's disks."""

from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path

from stackgen.domain.header import GgufHeader
from stackgen.formats.gguf import (
    MAX_HEADER,
    FormatError,
    merge_shards,
    parse_header,
    shard_count,
    shard_names,
)


def read_gguf(path: Path) -> GgufHeader:
    """The header of a GGUF file; of a split model that of all its files, which stand beside `path`.

    Raises FormatError, with a path, for what cannot be read or is damaged.
    """
    header = read_file(path)
    with _named(path):
        count = shard_count(header)
        if count == 1:
            return header
        names = shard_names(path.name, count)
    shards = [header if name == path.name else read_file(path.with_name(name)) for name in names]
    with _named(path):
        return merge_shards(shards)


def read_file(path: Path) -> GgufHeader:
    """The header of one file, whatever others it belongs to. Raises FormatError, with a path."""
    with _named(path), mapped(path) as (data, size):
        return parse_header(data, file_size=size)


@contextmanager
def mapped(path: Path) -> Iterator[tuple[memoryview, int]]:
    """As much of a file as a header may take, and the size of all of it."""
    size = path.stat().st_size
    if not size or not path.is_file():
        raise FormatError("not a file, or an empty one")
    with (
        path.open("rb") as file,
        mmap(file.fileno(), min(size, MAX_HEADER), access=ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        yield data, size


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Puts the path before whatever is wrong with the file."""
    try:
        yield
    except (FormatError, OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise FormatError(f"{path}: {reason}") from error
