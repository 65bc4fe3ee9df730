"""Headers that were read before, by the hash of their file, in the user's cache folder."""

import os
import re
from pathlib import Path

from stackgen.domain.header import GgufHeader
from stackgen.formats.errors import FormatError
from stackgen.formats.gguf import parse_header

SHA256 = re.compile(r"[0-9a-f]{64}")


def folder() -> Path:
    """`stackgen/headers` in the folder that the user's system sets aside for caches."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "stackgen" / "headers"


def get(sha256: str | None, file_size: int) -> GgufHeader | None:
    """The header of the file with this hash, if it was read before."""
    if sha256 is None or not SHA256.fullmatch(sha256):
        return None
    try:
        return parse_header((folder() / sha256).read_bytes(), file_size=file_size or None)
    except (OSError, FormatError):
        return None


def put(sha256: str | None, data: bytes) -> None:
    """Keep the bytes of a header. A cache that cannot be written is no reason to fail."""
    if sha256 is None or not SHA256.fullmatch(sha256):
        return
    target = folder() / sha256
    part = target.with_name(f"{sha256}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
