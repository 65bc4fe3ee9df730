"""The list of the files that stackgen owns below an output folder.

`owned.json` is what was written last. While files change, `owned.next.json` is what will have been written;
as long as both exist, a file may have either content. The next list takes the place of the other in one step.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final

from stackgen.io.confined import (
    ObstacleError,
    TreeError,
    explained,
    see,
    sync_folder,
    temporary_name,
    why_not,
    write,
)

FOLDER: Final = PurePosixPath(".stackgen")
_LIST: Final = FOLDER / "owned.json"
_NEXT: Final = FOLDER / "owned.next.json"
_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Which target a file is from, and the hash of what was written."""

    target: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """Files, and the folders that were created for them."""

    files: Mapping[PurePosixPath, Entry] = field(default_factory=dict)
    folders: frozenset[PurePosixPath] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """What is owned, and whether the last change was cut off before its end."""

    owned: Owned
    interrupted: bool = False


def digest(content: bytes) -> str:
    """The hash that the list holds."""
    return sha256(content).hexdigest()


def load(root: Path) -> Ledger:
    """The list below a root; empty where there is none. Raises TreeError when it cannot be trusted."""
    current, following = _read(root, _LIST), _read(root, _NEXT)
    current = current or Owned()
    if following is None:
        return Ledger(owned=current, interrupted=see(root, temporary_name(_NEXT)) is not None)
    files = {**following.files, **current.files}
    for path in following.files.keys() & current.files.keys():
        if _is(root, path, following.files[path]):
            files[path] = following.files[path]
    return Ledger(owned=Owned(files=files, folders=current.folders | following.folders), interrupted=True)


def begin(root: Path, ledger: Ledger, final: Owned) -> None:
    """Say what will be, before the first file changes."""
    with explained(root):
        (root / FOLDER).mkdir(exist_ok=True)
    if ledger.interrupted:
        # The next list of the change that was cut off is about to go; this keeps what it knew.
        write(root, _LIST, _dump(ledger.owned))
    write(root, _NEXT, _dump(final))
    sync_folder(root / FOLDER)


def finish(root: Path) -> None:
    """Say that it is so, after the last file has changed."""
    with explained(root / _LIST):
        (root / _NEXT).replace(root / _LIST)
    sync_folder(root / FOLDER)


def _is(root: Path, path: PurePosixPath, entry: Entry) -> bool:
    try:
        seen = see(root, path)
    except ObstacleError:
        return False
    return seen is not None and digest(seen.content) == entry.sha256


def _dump(owned: Owned) -> bytes:
    files = {
        str(path): {"target": entry.target, "sha256": entry.sha256}
        for path, entry in sorted(owned.files.items())
    }
    body = {"version": _VERSION, "files": files, "folders": sorted(map(str, owned.folders))}
    return (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode()


def _read(root: Path, path: PurePosixPath) -> Owned | None:
    seen = see(root, path)
    if seen is None:
        return None
    try:
        return _parse(json.loads(seen.content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise TreeError(
            f"{root / path} is not a list of files that this stackgen wrote",
            "restore it from version control; without it, files that differ from a new render count as yours",
        ) from exc


def _parse(body: Any) -> Owned:
    if body["version"] != _VERSION:
        raise ValueError("another version")
    files = {
        _path(name): Entry(target=_text(entry["target"]), sha256=_text(entry["sha256"]))
        for name, entry in body["files"].items()
    }
    return Owned(files=files, folders=frozenset(_path(name) for name in body["folders"]))


def _path(name: str) -> PurePosixPath:
    # The list may come from anywhere, and what it names can get removed.
    path = PurePosixPath(_text(name))
    if reason := why_not(path):
        raise ValueError(reason)
    return path


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
