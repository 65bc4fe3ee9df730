"""The Hugging Face hub: what a repository holds, and the headers of its files, by as few bytes as possible.

Token, endpoint, proxies and offline mode are huggingface_hub's own business: its client does the talking,
waits out rate limits and tries again after server errors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from stackgen.domain.failure import Failure
from stackgen.domain.header import GgufHeader
from stackgen.domain.lock import LockedFile
from stackgen.domain.units import MIB, show_size
from stackgen.formats.errors import FormatError, Truncated

CHUNK = 256 * 1024
"""Bytes read at a time: no more than this is read beyond the end of a header."""
ATTEMPTS = 5
"""Connections that may break in the middle of one header."""
MAX_HEADER = 128 * MIB
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as broken."""


class HubError(Failure):
    """The hub did not give what was asked for; `kind` is that of a diagnostic."""

    status = 1

    def __init__(self, kind: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.kind = kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A repository at one commit."""

    repo: str
    commit: str
    files: tuple[LockedFile, ...]
    licence: str | None = None
    gated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchedHeader:
    """A header with the bytes that were read for it."""

    header: GgufHeader
    data: bytes


def repository(repo: str, revision: str | None = None) -> Repository:
    """What a repository holds at a branch, tag or commit; one request. Raises HubError."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_backoff

    url = f"{HfApi().endpoint}/api/models/{repo}/revision/{quote(revision or 'main', safe='')}"
    with _explained(repo, revision):
        answer = http_backoff("GET", url, params={"blobs": True}, headers=build_hf_headers(), timeout=TIMEOUT)
        hf_raise_for_status(answer)
        info = ModelInfo(**_object(answer))  # type: ignore[no-untyped-call]
    if not info.sha:
        raise HubError("lock/hub", f"the hub names no commit of {repo}")
    return Repository(
        repo=repo,
        commit=info.sha,
        files=tuple(
            LockedFile(
                path=f.rfilename,
                size=f.size or 0,
                sha256=f.lfs.sha256 if f.lfs else None,
                oid=None if f.lfs else f.blob_id,
            )
            for f in info.siblings or ()
            if safe(f.rfilename)
        ),
        licence=getattr(info.card_data, "license", None) if info.card_data else None,
        gated=bool(info.gated),
    )


def safe(path: str) -> bool:
    """Whether a file's path stays inside the folder that it is downloaded to."""
    parts = path.split("/")
    return bool(path) and not ({"", ".", ".."} & set(parts)) and "\\" not in path and path.isprintable()


def _object(answer: Any) -> dict[str, Any]:
    try:
        data = answer.json()
    except ValueError as exc:
        raise HubError("lock/hub", f"{answer.url} did not answer with JSON", "is HF_ENDPOINT a hub?") from exc
    if not isinstance(data, dict):
        raise HubError("lock/hub", f"{answer.url} answered with something else than a model")
    return data


def gguf_header(repo: str, commit: str, file: LockedFile) -> FetchedHeader:
    """The header of a GGUF file, by one streamed read from its start, taken up again where it broke.

    Raises HubError, also when the file is no GGUF file or changes between two reads.
    """
    reader = _HeaderReader(repo, commit, file)
    try:
        for _ in range(ATTEMPTS):
            if found := reader.advance():
                return found
    except FormatError as exc:
        raise HubError("lock/not-gguf", f"{repo}: {file.path}: {exc}") from exc
    raise HubError(
        "lock/hub",
        f"{repo}: {file.path}: the connection broke {ATTEMPTS} times within {show_size(len(reader.data))}",
        "try again later; nothing is lost",
    )


class _HeaderReader:
    """The bytes of a file so far, and how many are needed before it is worth to look at them again."""

    def __init__(self, repo: str, commit: str, file: LockedFile) -> None:
        from huggingface_hub import hf_hub_url

        self.repo, self.file = repo, file
        self.url = hf_hub_url(repo, file.path, revision=commit)
        self.data = bytearray()
        self.need = 0
        self.tag: str | None = None

    def advance(self) -> FetchedHeader | None:
        """One connection; None when it ended before the header did."""
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_stream_backoff

        headers = build_hf_headers() | {"Range": f"bytes={len(self.data)}-", "Accept-Encoding": "identity"}
        with (
            _explained(self.repo, None, broken_is_fine=True),
            http_stream_backoff(
                "GET", self.url, headers=headers, timeout=TIMEOUT, follow_redirects=True
            ) as answer,
        ):
            hf_raise_for_status(answer)
            self._check(answer)
            for chunk in answer.iter_raw(CHUNK):
                self.data += chunk
                if len(self.data) >= self.need and (header := self._parse()):
                    return FetchedHeader(header=header, data=bytes(self.data))
        return None

    def _check(self, answer: Any) -> None:
        """The bytes that follow continue those that are there, and are of the same file."""
        if self.data and answer.status_code != 206:
            self.data.clear()
        tag = answer.headers.get("etag") or self.tag
        total = answer.headers.get("content-range", "").rpartition("/")[2]
        changed = self.data and self.tag not in (None, tag)
        if changed or (total.isdigit() and self.file.size not in (0, int(total))):
            raise HubError(
                "lock/changed",
                f"{self.repo}: {self.file.path} is not the file that the hub lists: it changed meanwhile",
                "run `stackgen lock` again",
            )
        self.tag = tag

    def _parse(self) -> GgufHeader | None:
        from stackgen.formats.gguf import parse_header

        try:
            with memoryview(self.data) as view:
                return parse_header(view, file_size=self.file.size or None)
        except Truncated as exc:
            if exc.need > MAX_HEADER:
                raise FormatError(f"the header claims more than {show_size(MAX_HEADER)}") from exc
            self.need = exc.need
            return None


@contextmanager
def _explained(repo: str, revision: str | None, *, broken_is_fine: bool = False) -> Iterator[None]:
    """Turns what the client raises into a HubError with a way out."""
    from huggingface_hub import errors

    try:
        yield
    except (Failure, FormatError):
        raise
    except errors.GatedRepoError as exc:
        hint = "ask for access on the repository's page, then log in: `hf auth login`, or set HF_TOKEN"
        raise HubError("lock/gated", f"{repo} is gated, and this account may not read it", hint) from exc
    except errors.RevisionNotFoundError as exc:
        raise HubError("lock/no-such-revision", f"{repo} has no revision {revision!r}") from exc
    except errors.RepositoryNotFoundError as exc:
        hint = "check the spelling; a private repository needs a login: `hf auth login`, or set HF_TOKEN"
        raise HubError(
            "lock/no-such-repository", f"there is no repository {repo}, or it is private", hint
        ) from exc
    except errors.OfflineModeIsEnabled as exc:
        raise HubError("lock/offline", f"{repo} is not locked, and HF_HUB_OFFLINE is set") from exc
    except Exception as exc:
        if type(exc).__module__.partition(".")[0] not in ("httpx", "httpx2", "httpcore", "huggingface_hub"):
            raise
        if broken_is_fine and not isinstance(exc, errors.HfHubHTTPError):
            return
        reason = " ".join(str(exc).split())[:200] or type(exc).__name__
        raise HubError(
            "lock/hub", f"{repo}: {reason}", "try again later, or check HF_ENDPOINT and the network"
        ) from exc
