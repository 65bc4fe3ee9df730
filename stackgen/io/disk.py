"""Model files of this machine as a source of models, like any server."""

import hashlib
from pathlib import Path
from typing import TypeVar

from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import LockedFile, Pin
from stackgen.formats.errors import FormatError
from stackgen.formats.gguf import shard_count, shard_names
from stackgen.io.client import FetchError
from stackgen.io.headers import Fetched, Parse
from stackgen.io.local import mapped, read_file

T = TypeVar("T")


class Disk:
    """The disks of this machine."""

    def find(self, request: ModelRequest) -> Pin:
        """The sizes of a model's files, and the hashes of their headers. Raises FetchError."""
        first = Path(request.path or "")
        try:
            count = shard_count(read_file(first))
            paths = (
                [first.with_name(name) for name in shard_names(first.name, count)] if count > 1 else [first]
            )
            return Pin(files=tuple(map(_pinned, paths)))
        except (FormatError, OSError) as exc:
            raise FetchError("lock/header", str(exc)) from exc

    def header(self, pin: Pin, file: LockedFile, parse: Parse[T]) -> Fetched[T]:  # noqa: ARG002
        """The header of one file. Raises FetchError."""
        try:
            with mapped(Path(file.path)) as (data, size):
                return Fetched(header=parse(data, size), data=b"")
        except (FormatError, OSError) as exc:
            raise FetchError("lock/header", f"{file.path}: {exc}") from exc


def is_here(request: ModelRequest) -> bool:
    """Whether the file that a request names can be read on this machine."""
    return bool(request.path and request.path.endswith(".gguf") and Path(request.path).is_file())


def _pinned(path: Path) -> LockedFile:
    header = read_file(path)
    with mapped(path) as (data, size):
        digest = hashlib.sha256(data[: header.header_bytes]).hexdigest()
    return LockedFile(path=str(path), size=size, header=digest)
