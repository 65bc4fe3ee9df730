"""Output folders for tests: rendered files in short, what is on disk, and a crash at any step."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from unittest.mock import patch

from stackgen.io.tree import RenderedFile

Rendered = dict[str, dict[PurePosixPath, RenderedFile]]


def rendered(**targets: Mapping[str, str]) -> Rendered:
    """Targets with `{path: text}`; what is named run.sh can be executed."""
    return {
        target: {
            PurePosixPath(path): RenderedFile(text, executable=path.endswith("run.sh"))
            for path, text in files.items()
        }
        for target, files in targets.items()
    }


def on_disk(root: Path) -> dict[str, str]:
    """Every file below a root but the list of owned files."""
    return {path: text for path, text in everything(root).items() if not path.startswith(".stackgen/")}


def everything(root: Path) -> dict[str, str]:
    """Every file below a root."""
    return {
        file.relative_to(root).as_posix(): file.read_bytes().decode("utf-8", "surrogateescape")
        for file in root.rglob("*")
        if file.is_file()
    }


def folders(root: Path) -> set[str]:
    """Every folder below a root but that of the list."""
    found = {folder.relative_to(root).as_posix() for folder in root.rglob("*") if folder.is_dir()}
    return found - {".stackgen"}


def times(root: Path) -> dict[str, int]:
    """When each file and folder was last written, in nanoseconds."""
    return {item.relative_to(root).as_posix(): item.stat().st_mtime_ns for item in (root, *root.rglob("*"))}


class Crash(BaseException):
    """The machine stopped; nothing that comes after it is done."""


@contextmanager
def crash(step: int) -> Iterator[Callable[[], int]]:
    """Stop at the nth call that changes the disk; a file that is not yet synced keeps half of its bytes.

    Gives a function that tells how many such calls were made.
    """
    made = 0

    def counted(call: Callable[..., Any], *, tear: bool = False) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            if made < step:
                return call(*args, **options)
            if tear and made == step and stat.S_ISREG((status := os.fstat(args[0])).st_mode):
                os.ftruncate(args[0], status.st_size // 2)
            raise Crash

        return run

    calls: dict[str, Any] = {
        name: counted(getattr(os, name)) for name in ("replace", "unlink", "mkdir", "rmdir", "chmod")
    }
    calls["fsync"] = counted(_sync, tear=True)
    with patch.multiple(os, **calls):
        yield lambda: made


def _sync(descriptor: int) -> None:
    """No test pulls a plug, and real syncs take their time."""
