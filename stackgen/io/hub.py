"""The Hugging Face hub: what a repository holds, and its files' headers."""

import re
from typing import Any, Final, TypeVar
from urllib.parse import quote

from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import LockedFile, Pin
from stackgen.io.client import FetchError, Patience
from stackgen.io.headers import Fetched, Parse, read_header, read_json
from stackgen.io.hub_client import HubClient

T = TypeVar("T")

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Hub:
    """One hub: by default the one that huggingface_hub talks to."""

    def __init__(self, endpoint: str | None = None, patience: Patience | None = None) -> None:
        self._client = HubClient(endpoint, patience)

    def find(self, request: ModelRequest) -> Pin:
        """What the repository of a request holds. Raises FetchError."""
        return self.repository(request.repo or "", request.revision)

    def repository(self, repo: str, revision: str | None = None) -> Pin:
        """What a repository holds at a branch, tag or commit; one request. Raises FetchError."""
        name = quote(revision or "main", safe="")
        url = f"{self._client.endpoint}/api/models/{quote(repo)}/revision/{name}?blobs=true"
        about = repo if revision is None else f"{repo} at {revision}"
        return self._client.ask(
            url,
            about,
            dict,
            lambda answer: _listing(read_json(answer, about, self._client)[0], repo, self._client),
        )

    def header(self, pin: Pin, file: LockedFile, parse: Parse[T]) -> Fetched[T]:
        """The header of a file. Raises FetchError."""
        # Not hf_hub_url, whose import takes as long as several round trips.
        url = f"{self._client.endpoint}/{quote(pin.repo or '')}/resolve/{pin.commit}/{quote(file.path)}"
        return read_header(self._client, url, f"{pin.repo}: {file.path}", file, parse)


def _listing(data: dict[str, Any], repo: str, client: HubClient) -> Pin:
    """A repository from the hub's answer, of which nothing is trusted."""
    commit, siblings = data.get("sha"), data.get("siblings")
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit) or not isinstance(siblings, list):
        raise FetchError("lock/hub", f"{repo}: the hub names no commit or no files", client.doubt)
    card = data.get("cardData")
    licence = card.get("license") if isinstance(card, dict) else None
    return Pin(
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
