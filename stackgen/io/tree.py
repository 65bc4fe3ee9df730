"""Rendered files against a folder on disk: what would change, and changing it without harm to anything else.

Only files that stackgen owns are changed or removed. `.stackgen/` keeps the list of them, per target.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from stackgen.io import owned
from stackgen.io.confined import (
    ObstacleError,
    Seen,
    TreeError,
    check,
    explained,
    is_folder,
    see,
    sync_folder,
    temporary_name,
    write,
)
from stackgen.io.owned import Entry, Ledger, Owned

__all__ = ["Change", "Changes", "RenderedFile", "Seen", "State", "TreeError", "apply", "compare"]


class State(Enum):
    """What is to happen to a file."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    SAME = "same"
    GONE = "gone"
    """Ours, but deleted by hand: added again."""
    CONFLICT = "conflict"
    """Changed by hand, or there before and not ours: overwritten only by force."""
    LEFT = "left"
    """No longer rendered, but changed by hand: stays, and is not ours any more."""
    GUARD = "guard"
    """No longer rendered, but it hides a file from git, such as one with secrets: stays as well."""


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """The text of a file, byte for byte once encoded."""

    text: str
    executable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One file: as it is, and as it should be (None: not at all)."""

    path: PurePosixPath
    target: str
    state: State
    before: Seen | None
    after: RenderedFile | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """Every file that is rendered or owned, by path, and the list of owned files behind it."""

    items: tuple[Change, ...]
    targets: frozenset[str]
    ledger: Ledger

    def of(self, *states: State) -> tuple[Change, ...]:
        """The files in one of these states."""
        return tuple(item for item in self.items if item.state in states)

    @property
    def clean(self) -> bool:
        """Whether every file is as it should be."""
        return all(item.state is State.SAME for item in self.items)


def compare(root: Path, rendered: Mapping[str, Mapping[PurePosixPath, RenderedFile]]) -> Changes:
    """What separates a folder from the files of these targets; files of other targets stay out of it.

    A target without files is one whose files are to go. Raises TreeError.
    """
    with explained(root):
        if root.exists() and not root.is_dir():
            raise TreeError(f"{root} is not a folder", "choose another folder for the output")
    ledger = owned.load(root)
    wanted = _by_path(rendered)
    known = ledger.owned.files
    kept = {path for path, entry in known.items() if entry.target not in rendered}
    check(wanted.keys() | kept)
    items = [
        *(_wanted(root, path, *wanted[path], known.get(path)) for path in wanted),
        *(_unwanted(root, path, known[path]) for path in known.keys() - wanted.keys() - kept),
    ]
    return Changes(
        items=tuple(sorted((item for item in items if item), key=lambda item: item.path)),
        targets=frozenset(rendered),
        ledger=ledger,
    )


def apply(root: Path, changes: Changes, *, force: bool = False) -> None:
    """Make a folder as `compare` says it should be; after an interruption, the next call picks up.

    Raises TreeError; before it writes anything when there are conflicts and no force.
    """
    conflicts = changes.of(State.CONFLICT)
    if conflicts and not force:
        names = ", ".join(str(item.path) for item in conflicts)
        raise TreeError(
            f"changed by hand, or not stackgen's: {names}",
            "nothing was written; move what you changed to stack.yaml, or overwrite it with --force",
        )
    writes = changes.of(State.ADD, State.CHANGE, State.GONE, State.CONFLICT)
    removals = changes.of(State.REMOVE)
    created = _missing_folders(root, writes)
    final = _final(changes, created)
    if not (writes or removals or changes.ledger.interrupted) and final == changes.ledger.owned:
        return
    for item in (*writes, *removals):
        if see(root, item.path) != item.before:
            raise TreeError(
                f"{root / item.path} changed in the meantime", "nothing was written; run it again"
            )
    with explained(root):
        root.mkdir(parents=True, exist_ok=True)
    owned.begin(root, changes.ledger, final)
    if changes.ledger.interrupted:
        _sweep(root, changes.ledger.owned.files)
    _write(root, writes, created)
    _remove(root, removals, (changes.ledger.owned.folders | created) - final.folders)
    owned.finish(root)


def _by_path(
    rendered: Mapping[str, Mapping[PurePosixPath, RenderedFile]],
) -> dict[PurePosixPath, tuple[str, RenderedFile]]:
    wanted: dict[PurePosixPath, tuple[str, RenderedFile]] = {}
    for target, files in rendered.items():
        for path, file in files.items():
            if path in wanted:
                raise TreeError(f"{path} is rendered by {wanted[path][0]} and by {target}")
            wanted[path] = (target, file)
    return wanted


def _wanted(root: Path, path: PurePosixPath, target: str, file: RenderedFile, entry: Entry | None) -> Change:
    before = see(root, path)
    return Change(path=path, target=target, state=_state(before, file, entry), before=before, after=file)


def _state(before: Seen | None, file: RenderedFile, entry: Entry | None) -> State:
    if before is None:
        return State.ADD if entry is None else State.GONE
    if before.content == file.text.encode():
        # Ours by content, whoever wrote it. That more can be executed is no matter: on some disks all can.
        return State.CHANGE if file.executable and not before.executable else State.SAME
    ours = entry is not None and owned.digest(before.content) == entry.sha256
    return State.CHANGE if ours else State.CONFLICT


def _unwanted(root: Path, path: PurePosixPath, entry: Entry) -> Change | None:
    try:
        before = see(root, path)
    except ObstacleError:
        return Change(path=path, target=entry.target, state=State.LEFT, before=None, after=None)
    if before is None:
        return None
    ours = owned.digest(before.content) == entry.sha256
    state = State.LEFT if not ours else State.GUARD if _hides(root, path, before) else State.REMOVE
    return Change(path=path, target=entry.target, state=state, before=before, after=None)


def _hides(root: Path, path: PurePosixPath, before: Seen) -> bool:
    """Whether a file that is there would be offered to git without this one."""
    if path.name != ".gitignore":
        return False
    return any((root / path.parent / name).is_file() for name in before.content.decode().split())


def _final(changes: Changes, created: frozenset[PurePosixPath]) -> Owned:
    known = changes.ledger.owned
    kept = {path: entry for path, entry in known.files.items() if entry.target not in changes.targets}
    written = {
        item.path: Entry(target=item.target, sha256=owned.digest(item.after.text.encode()))
        for item in changes.items
        if item.after is not None
    }
    files = kept | written
    needed = {folder for path in files for folder in path.parents}
    return Owned(files=files, folders=frozenset((known.folders | created) & needed))


def _missing_folders(root: Path, writes: Iterable[Change]) -> frozenset[PurePosixPath]:
    folders = {folder for item in writes for folder in item.path.parents[:-1]}
    return frozenset(folder for folder in folders if not is_folder(root, folder))


def _sweep(root: Path, paths: Iterable[PurePosixPath]) -> None:
    """Remove what an interruption left half-written."""
    for path in map(temporary_name, paths):
        try:
            left = see(root, path)
        except ObstacleError:
            continue
        if left is not None:
            with explained(root / path):
                (root / path).unlink()


def _write(root: Path, writes: Iterable[Change], created: Iterable[PurePosixPath]) -> None:
    for folder in sorted(created):
        with explained(root / folder):
            (root / folder).mkdir(exist_ok=True)
    for item in writes:
        if item.after is not None:
            write(root, item.path, item.after.text.encode(), executable=item.after.executable)
    for folder in sorted({item.path.parent for item in writes}):
        sync_folder(root / folder)


def _remove(root: Path, removals: Iterable[Change], folders: Iterable[PurePosixPath]) -> None:
    for item in removals:
        with explained(root / item.path):
            (root / item.path).unlink(missing_ok=True)
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        try:
            if is_folder(root, folder):
                (root / folder).rmdir()
        except (ObstacleError, OSError):
            # Somebody else has put something there, so that it is theirs now.
            continue
