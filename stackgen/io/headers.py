"""Headers of files that are somewhere else, by as few bytes as possible."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from stackgen.domain.lock import LockedFile
from stackgen.domain.units import KIB, MIB, show_size
from stackgen.formats.errors import FormatError, Truncated
from stackgen.io.client import Again, Answer, Client, FetchError

T = TypeVar("T")
Parse = Callable[[memoryview, int | None], T]
"""Bytes from the start of a file, and its size, to its header. Raises FormatError, or Truncated for more."""

CHUNK: Final = 256 * KIB
"""No more than this is read beyond the end of a header."""
STEP: Final = CHUNK - 64 * KIB
"""Bytes after which a header is looked at again; the rest is what one read of the network can bring."""
MAX_HEADER: Final = 32 * MIB
"""The largest in use take some 20 MiB, nearly all of it the tokenizer."""
MAX_LISTING: Final = 8 * MIB
"""Of a repository with twenty thousand files."""
MAX_VALUES: Final = 600_000
"""Values in a listing; parsed, an empty one takes twenty times its bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched(Generic[T]):
    """A header with the bytes that were read for it."""

    header: T
    data: bytes | bytearray


def read_header(client: Client, url: str, about: str, file: LockedFile, parse: Parse[T]) -> Fetched[T]:
    """The header of a file, by one streamed read from its start, taken up again where it broke.

    Raises FetchError, also when the file is none of that format or changes between two reads.
    """
    reading = _Reading(client.who, about, file, parse)
    try:
        return client.ask(url, about, reading.headers, reading.take)
    except FormatError as exc:
        raise FetchError("lock/header", f"{about}: {exc}") from exc


def read_json(answer: Answer, about: str, client: Client) -> tuple[dict[str, Any], bytes]:
    """A JSON object and its bytes. Raises FetchError for anything else."""
    body = bytearray()
    for chunk in answer.chunks(decoded=True):
        body += chunk
        if len(body) > MAX_LISTING:
            text = f"{about}: {client.who}'s answer is larger than {show_size(MAX_LISTING)}"
            raise FetchError("lock/hub", text, client.doubt)
    if sum(map(body.count, b",:[{")) > MAX_VALUES:
        text = f"{about}: {client.who}'s answer has more than {MAX_VALUES} values"
        raise FetchError("lock/hub", text, client.doubt)
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise FetchError("lock/hub", f"{about}: {client.who} did not answer with JSON", client.doubt) from exc
    if not isinstance(data, dict):
        text = f"{about}: {client.who} answered with something else than a model"
        raise FetchError("lock/hub", text, client.doubt)
    return data, bytes(body)


class _Reading(Generic[T]):
    """The bytes of a file so far, and how many are needed before it is worth to look at them again."""

    def __init__(self, who: str, about: str, file: LockedFile, parse: Parse[T]) -> None:
        self.who, self.about, self.file, self.parse = who, about, file, parse
        self.data = bytearray()
        self.need = 0
        self.tag: str | None = None

    def headers(self) -> dict[str, str]:
        """Asks for what is not there yet; for no whole file, all of which a proxy in between might fetch."""
        return {"Range": f"bytes={len(self.data)}-{MAX_HEADER - 1}", "Accept-Encoding": "identity"}

    def take(self, answer: Answer) -> Fetched[T]:
        """The header, once there are bytes enough. Raises Again, FetchError and FormatError."""
        self._check(answer)
        for chunk in answer.chunks():
            self.data += chunk
            if len(self.data) >= self.need and (found := self._look()):
                return found
        if len(self.data) >= min(self.file.size, MAX_HEADER) and (found := self._look()):
            return found
        raise Again(f"the answer ended after {show_size(len(self.data))}", 0.0 if answer.received else None)

    def _check(self, answer: Answer) -> None:
        """The bytes that follow continue those that are there, and are of the file that is listed."""
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
            text = f"{self.about} is not the file that {self.who} lists: it changed meanwhile"
            raise FetchError("lock/changed", text, "run `stackgen lock` again")
        if start not in (0, len(self.data)):
            raise FetchError("lock/hub", f"{self.about}: {self.who} sent another part than it was asked for")
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
