"""Downloads locked files to a folder of this machine, and proves each by its hash.

huggingface_hub gets what is on the hub.
"""

import hashlib
import shutil
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Final

from stackgen.domain.failure import Failure
from stackgen.domain.units import MIB, show_size
from stackgen.domain.workload import Download, DownloadFile
from stackgen.io.client import Again, Answer, Client, FetchError, Patience

Tell = Callable[[str], None]
PATIENCE: Final = Patience(attempts=50, total=inf)
"""Weights take hours; a connection that breaks ten times on the way is nothing unusual."""
_PLAIN: Final = {"Accept-Encoding": "identity"}
NOTES = ".stackgen"
"""Where the state of downloads lies, beside that of the script that hosts run."""


def fetch(download: Download, folder: Path, tell: Tell, *, endpoint: str | None = None) -> None:
    """Bring all files of a model below a folder; what is there and proven is left alone.

    Raises Failure when there is no room, when the hub does not give a file, or when it gives another one.
    """
    lacking = [file for file in download.files if not _is_there(file, folder)]
    if not lacking:
        tell(f"{download.model}: all {len(download.files)} files are there")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _require_room(folder, sum(file.size for file in lacking))
        for file in lacking:
            tell(f"{download.model}: {file.target}, {show_size(file.size)}")
            _fetch(download, file, folder, endpoint)
    except OSError as exc:
        raise Failure(f"{exc.filename or folder}: {exc.strerror or exc}") from exc
    shutil.rmtree(_parts(download, folder), ignore_errors=True)


def _parts(download: Download, folder: Path) -> Path:
    """On the same disk as the target, so that a proven file needs only a new name."""
    return folder / NOTES / "parts" / download.commit


def _require_room(folder: Path, need: int) -> None:
    free = shutil.disk_usage(folder).free
    if need > free:
        raise Failure(f"{folder} has {show_size(free)} free; {show_size(need)} are to come")


def _fetch(download: Download, file: DownloadFile, folder: Path, endpoint: str | None) -> None:
    target = folder / file.target
    if file.text is not None:
        _write(target, file.text)
        return
    if not (target.is_file() and target.stat().st_size == file.size):
        part = (
            _transfer(download, file, folder, endpoint)
            if file.url is None
            else _from_address(file.url, file, _parts(download, folder) / f"{file.sha256}.part")
        )
        if not _is_locked_one(part, file):
            part.unlink(missing_ok=True)
            raise Failure(f"what came for {file.target} is not the locked file", "run this again")
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)
    elif not _is_locked_one(target, file):
        raise Failure(f"{target} is not the locked file", "move it away, and run this again")
    notes = folder / NOTES / "verified"
    notes.parent.mkdir(exist_ok=True)
    with notes.open("a", encoding="utf-8") as opened:
        opened.write(_note(file) + "\n")


def _write(target: Path, text: str) -> None:
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(text.encode())
    part.replace(target)


def _transfer(download: Download, file: DownloadFile, folder: Path, endpoint: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(
            hf_hub_download(
                download.repo,
                file.path,
                revision=download.commit,
                local_dir=_parts(download, folder),
                endpoint=endpoint,
            )
        )
    except OSError as exc:
        if exc.errno is not None:
            raise
        reason = " ".join(str(exc).split())[:300]
        hint = "run this again: it goes on where it broke; a gated repository needs a login: `hf auth login`"
        raise FetchError("lock/hub", f"{download.repo}: {file.path}: {reason}", hint) from exc


def _from_address(url: str, file: DownloadFile, part: Path) -> Path:
    """Raises FetchError."""

    def take(answer: Answer) -> None:
        ranged = answer.status_code == 206
        with part.open("ab" if ranged else "wb") as opened:
            for chunk in answer.chunks():
                opened.write(chunk)
                if opened.tell() > file.size:
                    raise FetchError("lock/changed", f"{url} is larger than the locked file")
        if _size(part) != file.size:
            raise Again(f"the answer ended after {show_size(_size(part))}", 0.0 if answer.received else None)

    part.parent.mkdir(parents=True, exist_ok=True)
    if _size(part) > file.size:
        part.unlink()
    part.touch()
    if _size(part) < file.size:
        Client(PATIENCE).ask(url, url, lambda: {"Range": f"bytes={_size(part)}-", **_PLAIN}, take)
    return part


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_there(file: DownloadFile, folder: Path) -> bool:
    if file.text is not None:
        # What has been written there before may be older than what is proven.
        return (folder / file.target).is_file() and _is_locked_one(folder / file.target, file)
    try:
        size = (folder / file.target).stat().st_size
        notes = (folder / NOTES / "verified").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return size == file.size and _note(file) in notes


def _note(file: DownloadFile) -> str:
    """A line as the script writes it, so that each knows what the other has proven."""
    proof = f"sha256:{file.sha256}" if file.sha256 else f"git:{file.oid}"
    return f"{proof} {file.size} {file.target}"


def _is_locked_one(path: Path, file: DownloadFile) -> bool:
    found = hashlib.new("sha256" if file.sha256 else "sha1", usedforsecurity=bool(file.sha256))
    if not file.sha256:
        found.update(b"blob %d\0" % file.size)
    with path.open("rb") as opened:
        while chunk := opened.read(4 * MIB):
            found.update(chunk)
    return found.hexdigest() == (file.sha256 or file.oid)
