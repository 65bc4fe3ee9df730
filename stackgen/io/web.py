"""Files behind plain addresses: their size, and their headers."""

import re
from typing import TypeVar

from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import LockedFile, Pin, web_path
from stackgen.io.client import Answer, Client, FetchError, Patience
from stackgen.io.headers import Fetched, Parse, read_header

T = TypeVar("T")


class Web:
    """One file of a server."""

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        self._url = url
        self._client = Client(patience)

    def find(self, request: ModelRequest) -> Pin:
        """The file's size and version; one request. Its hash is what the request says. Raises FetchError."""

        def read(answer: Answer) -> Pin:
            etag = answer.headers.get("etag")
            return Pin(
                etag=etag if etag and etag.isprintable() and len(etag) < 200 else None,
                files=(
                    LockedFile(
                        path=web_path(self._url), size=_size(answer, self._url), sha256=request.sha256
                    ),
                ),
            )

        # Not HEAD, which signed addresses refuse.
        headers = {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
        return self._client.ask(self._url, self._url, lambda: headers, read)

    def header(self, pin: Pin, file: LockedFile, parse: Parse[T]) -> Fetched[T]:  # noqa: ARG002
        """The header of the file. Raises FetchError."""
        return read_header(self._client, self._url, self._url, file, parse)


def _size(answer: Answer, url: str) -> int:
    span = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("content-range", ""))
    total = span[1] if span else answer.headers.get("content-length", "")
    if (answer.status_code == 206) != bool(span) or not total.isdigit() or len(total) > 18:
        raise FetchError("lock/hub", f"{url}: the server does not tell the file's size")
    return int(total)
