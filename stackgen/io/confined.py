"""Files below one root: paths that could lead out of it are refused, and links are never followed."""

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from stackgen.domain.failure import Failure

RESERVED: Final = frozenset({".git", ".stackgen"})
"""Folders that nothing is rendered into, at any depth."""

_TEMPORARY: Final = ".stackgen-new"
_MAX_NAME: Final = 200
"""Bytes; file systems allow 255, and a temporary name is a little longer than its file's."""


class TreeError(Failure):
    """Something about the output folder that only the user can put right."""

    status = 1


class ObstacleError(TreeError):
    """Something that is neither a file of ours nor a folder stands where one should be."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it is on disk."""

    content: bytes
    executable: bool


def why_not(path: PurePosixPath) -> str | None:
    """Why this path cannot be a file below an output folder, or None."""
    if not path.parts:
        return "it is empty"
    if path.is_absolute() or ".." in path.parts:
        return "it leads out of the output folder"
    for part in path.parts:
        if any(char < " " or char in "\\\x7f" for char in part):
            return "a name holds a backslash or a control character"
        if part.casefold() in RESERVED:
            return f"{part} is reserved"
        if part.endswith(_TEMPORARY):
            return f"names that end in {_TEMPORARY} are temporary"
        if len(part.encode("utf-8", "replace")) > _MAX_NAME:
            return f"a name is longer than {_MAX_NAME} bytes"
        if part.encode("utf-8", "replace").decode() != part:
            return "a name is not text"
    return None


def check(paths: Iterable[PurePosixPath]) -> None:
    """Raise TreeError unless all of these can be files below one root, on any file system."""
    spelled: dict[str, PurePosixPath] = {}
    files = set(paths)
    for path in sorted(files):
        if reason := why_not(path):
            raise TreeError(f"{str(path)!r} cannot be written: {reason}")
        for item in (path, *path.parents[:-1]):
            other = spelled.setdefault(unicodedata.normalize("NFC", str(item).casefold()), item)
            if other != item:
                raise TreeError(f"{item} and {other} are the same on file systems that ignore case")
            if item in files and item != path:
                raise TreeError(f"{item} would be a file and a folder at once")


def see(root: Path, path: PurePosixPath) -> Seen | None:
    """The file at a path, or None where nothing is. Raises ObstacleError, or TreeError if unreadable."""
    if not is_folder(root, path.parent):
        return None
    file = root / path
    with explained(file):
        mode = _mode(file)
        if mode is None:
            return None
        if not stat.S_ISREG(mode):
            raise ObstacleError(f"{file} is {_kind(mode)}, not a file", "move it out of the way")
        return Seen(file.read_bytes(), bool(mode & stat.S_IXUSR))


def is_folder(root: Path, path: PurePosixPath) -> bool:
    """Whether a folder is there, or nothing; raises ObstacleError for anything else on the way to it."""
    for folder in (root / item for item in (*reversed(path.parents), path) if item.parts):
        with explained(folder):
            mode = _mode(folder)
            if mode is None:
                return False
            if not stat.S_ISDIR(mode):
                raise ObstacleError(f"{folder} is {_kind(mode)}, not a folder", "move it out of the way")
    return True


def write(root: Path, path: PurePosixPath, content: bytes, *, executable: bool = False) -> None:
    """Put a file in place at once, whole or not at all, in a folder that exists."""
    temporary = root / temporary_name(path)
    with explained(root / path):
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if executable:
            mode = stat.S_IMODE(temporary.stat().st_mode)
            temporary.chmod(mode | (mode & 0o444) >> 2)
        temporary.replace(root / path)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power failure."""
    with explained(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def temporary_name(path: PurePosixPath) -> PurePosixPath:
    """Where a file is written before it takes its place."""
    return path.with_name(f".{path.name}{_TEMPORARY}")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into TreeError."""
    try:
        yield
    except OSError as exc:
        raise TreeError(f"{path}: {exc.strerror or exc}") from exc


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a file" if stat.S_ISREG(mode) else "a special file"
