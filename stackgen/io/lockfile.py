"""Reads and writes the text of stack.lock, which stands beside the stack file."""

import os
from pathlib import Path

from stackgen.io.stackfile import InputError

MAX_BYTES = 64 * 1024**2


def beside(stack_file: Path) -> Path:
    """`stack.lock` for stack.yaml, `other.lock` for other.yaml."""
    return stack_file.with_suffix(".lock")


def read(path: Path) -> str | None:
    """The text of the lock, None when there is none yet. Raises InputError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES // 1024**2} MiB, which no lock is")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as exc:
        raise InputError(
            f"{path} is not UTF-8 text", "restore it from git, or delete it and lock anew"
        ) from exc
    except OSError as exc:
        raise InputError(f"{path}: {exc.strerror or exc}") from exc


def write(path: Path, text: str) -> bool:
    """Replace the lock in one step; False when it says the same already. Raises InputError."""
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
