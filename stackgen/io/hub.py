"""The Hugging Face hub: what a repository holds, and its files' headers, by as few bytes as possible."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from stackgen.domain.lock import LockedFile
from stackgen.domain.units import KIB, MIB, show_size
from stackgen.formats.errors import FormatError, Truncated
from stackgen.io.hub_client import IS_IT_A_HUB, Again, Answer, Client, HubError, Patience

__all__ = ["CHUNK", "Fetched", "Hub", "HubError", "Patience", "Repository", "safe"]

T = TypeVar("T")
Parse = Callable[[memoryview, int | None], T]
"""Bytes from the start of a file, and its size, to its header. Raises FormatError, or Truncated for more."""

CHUNK: Final = 256 * KIB
"""No more than this is read beyond the end of a header."""
STEP: Final = CHUNK - 64 * KIB
"""Bytes after which a header is looked at again; the rest is what one read of the network can bring."""
MAX_HEADER: Final = 32 * MIB
"""The largest in use take some 20 MiB, nearly all of it the tokenizer."""
MAX_LISTING: Final = 32 * MIB

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A repository at one commit."""

    repo: str
    commit: str
    files: tuple[LockedFile, ...]
    licence: str | None = None
    gated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched(Generic[T]):
    """A header with the bytes that were read for it."""

    header: T
    data: bytearray


class Hub:
    """One hub: by default the one that huggingface_hub talks to."""

    def __init__(self, endpoint: str | None = None, patience: Patience | None = None) -> None:
        self._client = Client(endpoint, patience)

    def repository(self, repo: str, revision: str | None = None) -> Repository:
        """What a repository holds at a branch, tag or commit; one request. Raises HubError."""
        name = quote(revision or "main", safe="")
        url = f"{self._client.endpoint}/api/models/{quote(repo)}/revision/{name}?blobs=true"
        about = repo if revision is None else f"{repo} at {revision}"
        return self._client.ask(url, about, dict, lambda answer: _listing(_json(answer, about), repo))

    def header(self, repo: str, commit: str, file: LockedFile, parse: Parse[T]) -> Fetched[T]:
        """The header of a file, by one streamed read from its start, taken up again where it broke.

        Raises HubError, also when the file is none of that format or changes between two reads.
        """
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(repo, file.path, revision=commit, endpoint=self._client.endpoint)
        about = f"{repo}: {file.path}"
        reading = _Reading(about, file, parse)
        try:
            return self._client.ask(url, about, reading.headers, reading.take)
        except FormatError as exc:
            raise HubError("lock/header", f"{about}: {exc}") from exc


class _Reading(Generic[T]):
    """The bytes of a file so far, and how many are needed before it is worth to look at them again."""

    def __init__(self, about: str, file: LockedFile, parse: Parse[T]) -> None:
        self.about, self.file, self.parse = about, file, parse
        self.data = bytearray()
        self.need = 0
        self.tag: str | None = None

    def headers(self) -> dict[str, str]:
        """Asks for everything that is not there yet."""
        return {"Range": f"bytes={len(self.data)}-", "Accept-Encoding": "identity"}

    def take(self, answer: Answer) -> Fetched[T]:
        """The header, once there are bytes enough. Raises Again, HubError and FormatError."""
        self._check(answer)
        for chunk in answer.chunks():
            self.data += chunk
            if len(self.data) >= self.need and (found := self._look()):
                return found
        if len(self.data) >= self.file.size and (found := self._look()):
            return found
        raise Again(f"the answer ended after {show_size(len(self.data))}", 0.0 if answer.received else None)

    def _check(self, answer: Answer) -> None:
        """The bytes that follow continue those that are there, and are of the file that the hub lists."""
        start, total = 0, answer.headers.get("content-length", "")
        if answer.status_code == 206:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("content-range", ""))
            start, total = (int(span[1]), span[2]) if span else (-1, "")
        tags = [a.headers["x-linked-etag"].strip('"') for a in answer.history if "x-linked-etag" in a.headers]
        tag = answer.headers.get("etag")
        if (
            (self.tag is not None and tag != self.tag)
            or (total.isdigit() and int(total) != self.file.size)
            or (self.file.sha256 is not None and any(t != self.file.sha256 for t in tags))
        ):
            text = f"{self.about} is not the file that the hub lists: it changed meanwhile"
            raise HubError("lock/changed", text, "run `stackgen lock` again")
        if start not in (0, len(self.data)):
            raise HubError("lock/hub", f"{self.about}: the hub sent another part than it was asked for")
        if start == 0:
            self.data.clear()
        self.tag = tag

    def _look(self) -> Fetched[T] | None:
        try:
            with memoryview(self.data) as view:
                return Fetched(header=self.parse(view, self.file.size or None), data=self.data)
        except Truncated as exc:
            if exc.need > MAX_HEADER:
                claim = f"the header claims {show_size(exc.need)}"
                raise FormatError(f"{claim}; more than {show_size(MAX_HEADER)} is taken for damage") from exc
            self.need = max(exc.need, len(self.data) + STEP)
            return None


def _json(answer: Answer, about: str) -> dict[str, Any]:
    body = bytearray()
    for chunk in answer.chunks(decoded=True):
        body += chunk
        if len(body) > MAX_LISTING:
            text = f"{about}: the hub's answer is larger than {show_size(MAX_LISTING)}"
            raise HubError("lock/hub", text, IS_IT_A_HUB)
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise HubError("lock/hub", f"{about}: the hub did not answer with JSON", IS_IT_A_HUB) from exc
    if not isinstance(data, dict):
        raise HubError("lock/hub", f"{about}: the hub answered with something else than a model")
    return data


def _listing(data: dict[str, Any], repo: str) -> Repository:
    """A repository from the hub's answer, of which nothing is trusted."""
    commit, siblings = data.get("sha"), data.get("siblings")
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit) or not isinstance(siblings, list):
        raise HubError("lock/hub", f"{repo}: the hub names no commit or no files", IS_IT_A_HUB)
    card = data.get("cardData")
    licence = card.get("license") if isinstance(card, dict) else None
    return Repository(
        repo=repo,
        commit=commit,
        files=tuple(file for item in siblings if (file := _file(item))),
        licence=licence
        if isinstance(licence, str) and licence.isprintable() and len(licence) < 100
        else None,
        gated=bool(data.get("gated")),
    )


def _file(item: Any) -> LockedFile | None:
    """A file that can be pinned: one with a plain path, a size and a hash."""
    if not isinstance(item, dict):
        return None
    path, size, oid, large = (item.get(key) for key in ("rfilename", "size", "blobId", "lfs"))
    sha256 = large.get("sha256") if isinstance(large, dict) else None
    if not isinstance(path, str) or not safe(path) or type(size) is not int or size < 0:
        return None
    if isinstance(sha256, str) and _SHA256.fullmatch(sha256):
        return LockedFile(path=path, size=size, sha256=sha256)
    if isinstance(oid, str) and _COMMIT.fullmatch(oid) and large is None:
        return LockedFile(path=path, size=size, oid=oid)
    return None


def safe(path: str) -> bool:
    """Whether a file's path stays inside the folder that it is downloaded to."""
    parts = path.split("/")
    return (
        bool(path)
        and len(path) < 1024
        and not ({"", ".", ".."} & set(parts))
        and "\\" not in path
        and path.isprintable()
    )
