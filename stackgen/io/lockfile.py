"""Reads and writes stack.lock, which stands beside the stack file."""

import os
from pathlib import Path

from stackgen.domain.lock import Lock
from stackgen.io.stackfile import InputError
from stackgen.lock.codec import dumps, loads

MAX_BYTES = 64 * 1024**2


def beside(stack_file: Path) -> Path:
    """`stack.lock` for stack.yaml, `other.lock` for other.yaml."""
    return stack_file.with_suffix(".lock")


def read(path: Path) -> Lock:
    """The lock, empty when there is none yet. Raises InputError and LockError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES // 1024**2} MiB, which no lock is")
        return loads(path.read_text(encoding="utf-8"), path.name)
    except FileNotFoundError:
        return Lock()
    except UnicodeDecodeError as exc:
        raise InputError(
            f"{path} is not UTF-8 text", "restore it from git, or delete it and lock anew"
        ) from exc
    except OSError as exc:
        raise InputError(f"{path}: {exc.strerror or exc}") from exc


def write(path: Path, lock: Lock) -> bool:
    """Replace the lock in one step; False when it says the same already. Raises InputError."""
    text = dumps(lock)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {exc.strerror or exc}") from exc
    return True
