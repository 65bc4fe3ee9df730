"""Model files of this machine as a source of models, like any server."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import LockedFile, Pin
from stackgen.formats.errors import FormatError
from stackgen.formats.gguf import shard_count, shard_names
from stackgen.io.client import FetchError
from stackgen.io.headers import Fetched, Parse
from stackgen.io.local import mapped, read_file

T = TypeVar("T")
CONFIG: Final = "config.json"
"""Describes a model whose weights are in safetensors files beside it."""


class Disk:
    """The disks of this machine."""

    def find(self, request: ModelRequest) -> Pin:
        """The sizes of a model's files, and the hashes of their headers. Raises FetchError."""
        first = Path(request.path or "")
        try:
            if first.is_dir():
                return Pin(files=tuple(_pinned(path, _head_of) for path in _snapshot(first)))
            count = shard_count(read_file(first))
            paths = (
                [first.with_name(name) for name in shard_names(first.name, count)] if count > 1 else [first]
            )
            return Pin(files=tuple(_pinned(path, lambda p, _: read_file(p).header_bytes) for path in paths))
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
    """Whether the file or the folder of safetensors that a request names can be read on this machine."""
    if not request.path:
        return False
    path = Path(request.path)
    return (path.suffix == ".gguf" and path.is_file()) or (path / CONFIG).is_file()


def _snapshot(folder: Path) -> list[Path]:
    """What describes a model in a folder: its config, and the files whose headers name the tensors."""
    return [folder / CONFIG, *sorted(folder.glob("*.safetensors"))]


def _head_of(path: Path, data: memoryview) -> int:
    """Bytes of the header of a safetensors file; all of a config."""
    return len(data) if path.name == CONFIG else 8 + int.from_bytes(data[:8], "little")


def _pinned(path: Path, head: Callable[[Path, memoryview], int]) -> LockedFile:
    with mapped(path) as (data, size):
        digest = hashlib.sha256(data[: head(path, data)]).hexdigest()
    return LockedFile(path=str(path), size=size, header=digest)
