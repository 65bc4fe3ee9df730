"""Requests to servers: tried again while that can help, and never longer than it was agreed.

Proxies, certificates and offline mode are huggingface_hub's own business: its session does the talking. Its
ways of waiting are not used, for they obey a server that says "come back in a day".
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeVar

from stackgen.domain.failure import Failure

T = TypeVar("T")

TRY_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


class FetchError(Failure):
    """A server did not give what was asked for; `kind` is that of a diagnostic."""

    status = 1

    def __init__(self, kind: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.kind = kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How often one thing is asked for, and how long that may take; in seconds."""

    attempts: int = 5
    first_wait: float = 0.5
    """Between the first attempts; doubled each time."""
    longest_wait: float = 60
    """A server that asks for more is told no."""
    silence: float = 30
    """Without a byte for so long, a connection counts as broken."""
    total: float = 300


class Again(Exception):  # noqa: N818  a reason to try again, mostly not a failure
    """An answer is missing or incomplete; `seconds` is how long to wait, None for the usual time."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.seconds = reason, seconds


class Client:
    """Asks servers of one kind; this one any that speaks HTTP."""

    who = "the server"
    doubt = "is the address right, and is there no proxy in between that answers for it?"

    def __init__(self, patience: Patience | None = None) -> None:
        from huggingface_hub import get_session

        self.patience = patience or Patience()
        self._session = get_session()
        # huggingface_hub changed from requests to httpx and to httpx2: its errors are those of its session.
        self._httpx = import_module(type(self._session).__module__.partition(".")[0])

    def authorization(self) -> Mapping[str, str]:
        """The headers that say who is asking; nothing is known of this server, so none."""
        return {}

    def refuse(self, answer: Any, about: str) -> None:
        """Raises FetchError for an answer that is none, and that no second attempt can change."""
        if answer.status_code in (404, 410, 416):
            raise FetchError("lock/no-such-file", f"there is no {about}", "check the spelling")
        said = f"{self.who} answers {answer.status_code} {answer.reason_phrase}"
        raise FetchError("lock/hub", f"{about}: {said}", self.doubt)

    def ask(
        self, url: str, about: str, headers: Callable[[], Mapping[str, str]], read: Callable[["Answer"], T]
    ) -> T:
        """What `read` makes of the answer to a GET. `headers` is asked anew for each attempt.

        `read` may raise Again; it gets a streamed answer, of which it has to limit what it takes.
        Raises FetchError.
        """
        from huggingface_hub.errors import OfflineModeIsEnabled

        deadline = time.monotonic() + self.patience.total
        wait, reason = self.patience.first_wait, ""
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return self._once(url, about, headers(), read, deadline)
            except OfflineModeIsEnabled as exc:
                message = f"{about} cannot be asked for: HF_HUB_OFFLINE is set"
                raise FetchError("lock/offline", message, "unset it for `stackgen lock`") from exc
            except Again as exc:
                pause, reason = (wait if exc.seconds is None else exc.seconds), exc.reason
            if pause > self.patience.longest_wait or time.monotonic() + pause > deadline:
                hint = "try again later; what was read so far is kept"
                raise FetchError("lock/hub", f"{about}: {reason}; it asks to wait {pause:.0f} s", hint)
            if attempt < self.patience.attempts:
                time.sleep(pause)
                wait *= 2 if pause else 1
        message = f"{about}: tried {self.patience.attempts} times; at last: {reason}"
        raise FetchError("lock/hub", message, f"try again later, or check the network; {self.doubt}")

    def _once(
        self, url: str, about: str, headers: Mapping[str, str], read: Callable[["Answer"], T], deadline: float
    ) -> T:
        httpx, timed = self._httpx, None
        try:
            with self._session.stream(
                "GET",
                url,
                headers={"User-Agent": "stackgen", **self.authorization(), **headers},
                timeout=self.patience.silence,
            ) as answer:
                if answer.status_code in TRY_AGAIN:
                    raise Again(*_busy(answer, self.who))
                if answer.status_code not in (200, 206):
                    self.refuse(answer, about)
                timed = Answer(answer, about, deadline)
                return read(timed)
        except httpx.TooManyRedirects as exc:
            message = f"{about}: {self.who} redirects in a circle"
            raise FetchError("lock/hub", message, self.doubt) from exc
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as exc:
            raise FetchError("lock/hub", f"{about}: {_short(exc)}", self.doubt) from exc
        except (httpx.HTTPError, httpx.StreamError) as exc:
            raise Again(_short(exc), 0.0 if timed and timed.received else None) from exc


class Answer:
    """A good answer, whose bytes come one after another but not for ever."""

    def __init__(self, answer: Any, about: str, deadline: float) -> None:
        self._answer, self._about, self._deadline = answer, about, deadline
        self.received = False
        self.status_code: int = answer.status_code
        self.headers: Mapping[str, str] = answer.headers
        self.history: list[Any] = answer.history

    def chunks(self, *, decoded: bool = False) -> Iterator[bytes]:
        """The bytes as they come, or what they stand for. Raises FetchError when they come too slowly."""
        for chunk in self._answer.iter_bytes() if decoded else self._answer.iter_raw():
            self.received = True
            yield chunk
            if time.monotonic() > self._deadline:
                hint = "try again later, or from a faster link"
                raise FetchError("lock/hub", f"{self._about}: the bytes come too slowly", hint)


def _busy(answer: Any, who: str) -> tuple[str, float | None]:
    seconds = answer.headers.get("retry-after", "").strip()
    pause = float(seconds) if seconds.isdigit() and len(seconds) < 9 else None
    return f"{who} answers {answer.status_code} {answer.reason_phrase}", pause


def _short(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200] or type(exc).__name__
