"""Headers that were read before, by the hash of their file, in the user's cache folder."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from stackgen.formats.errors import FormatError

T = TypeVar("T")
SHA256 = re.compile(r"[0-9a-f]{64}")


def folder() -> Path:
    """`stackgen/headers` in the folder that the user's system sets aside for caches."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "stackgen" / "headers"


def get(sha256: str | None, file_size: int, parse: Callable[[memoryview, int | None], T]) -> T | None:
    """The header of the file with this hash, if it was read before."""
    if sha256 is None or not SHA256.fullmatch(sha256):
        return None
    try:
        with memoryview((folder() / sha256).read_bytes()) as data:
            return parse(data, file_size or None)
    except (OSError, RuntimeError, FormatError):
        # RuntimeError: nobody can tell where this user's home is.
        return None


def put(sha256: str | None, data: bytes | bytearray) -> None:
    """Keep the bytes of a header. A cache that cannot be written is no reason to fail."""
    if sha256 is None or not SHA256.fullmatch(sha256):
        return
    try:
        target = folder() / sha256
        part = target.with_name(f"{sha256}.{os.getpid()}.part")
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(target)
    except (OSError, RuntimeError):
        return
