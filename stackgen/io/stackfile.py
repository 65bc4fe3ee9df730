"""The stack file that the user pointed to: reads it, begins one, changes its text."""

import codecs
import os
import shutil
from pathlib import Path

from stackgen.domain.failure import Failure

MAX_BYTES = 4 * 1024**2
"""No stack.yaml of a person comes near this; a wrong file is refused before it is parsed."""


class InputError(Failure):
    """The user named something that cannot be read."""


def find(path: Path) -> Path:
    """The stack file: the file itself, or stack.yaml in the folder. Raises InputError."""
    if path.is_dir():
        path = path / "stack.yaml"
        if not path.is_file():
            raise InputError(
                f"there is no stack.yaml in {path.parent}", "name the file, or the folder that holds it"
            )
    elif not path.exists():
        raise InputError(f"{path} does not exist", "name a stack.yaml or the folder that holds it")
    return path


def read(path: Path) -> str:
    """The text of a stack file. Raises InputError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES // 1024**2} MiB, which no stack.yaml is")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(f"{path} is not UTF-8 text (byte {exc.start})", "save it as UTF-8") from exc
    except OSError as exc:
        raise InputError(f"{path}: {exc.strerror or exc}") from exc


def replace(path: Path, old: str, new: str) -> None:
    """Put another text in place of the one that was read, in one step; line ends and mode stay. Raises InputError."""
    file = path.resolve()
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        found = file.read_bytes()
        if read(file) != old:
            raise InputError(f"{path} has changed meanwhile, and is left as it is", "run the command again")
        mark, end = codecs.BOM_UTF8 * found.startswith(codecs.BOM_UTF8), "\r\n" if b"\r\n" in found else "\n"
        part.write_bytes(mark + new.replace("\n", end).encode())
        shutil.copymode(file, part)
        part.replace(file)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {exc.strerror or exc}") from exc


def create(path: Path, text: str) -> Path:
    """Write a new stack file, or stack.yaml in a folder; what is there is never touched. Raises InputError."""
    file = path / "stack.yaml" if path.is_dir() else path
    try:
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        raise InputError(f"{file} is there already, and is left as it is", "name another file") from None
    except OSError as exc:
        raise InputError(f"{file}: {exc.strerror or exc}") from exc
    return file


def beside(file: Path, name: str, text: str) -> None:
    """Write what stands beside a new stack file, unless there is one already. Raises InputError."""
    place = file.with_name(name)
    if not place.exists():
        create(place, text)
