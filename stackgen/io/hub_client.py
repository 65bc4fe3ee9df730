"""Requests to the hub: tried again while that can help, and never longer than it was agreed.

Token, endpoint, proxies, certificates and offline mode are huggingface_hub's own business: its client does
the talking. Its ways of waiting are not used, for they obey a hub that says "come back in a day".
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeVar

from stackgen.domain.failure import Failure

T = TypeVar("T")

IS_IT_A_HUB: Final = "is HF_ENDPOINT a hub, and is there no proxy in between that answers for it?"
TRY_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


class HubError(Failure):
    """The hub did not give what was asked for; `kind` is that of a diagnostic."""

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
    """A hub that asks for more is told no."""
    silence: float = 30
    """Without a byte for so long, a connection counts as broken."""
    total: float = 300


class Again(Exception):  # noqa: N818  a reason to try again, mostly not a failure
    """An answer is missing or incomplete; `seconds` is how long to wait, None for the usual time."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.seconds = reason, seconds


class Client:
    """Asks one hub."""

    def __init__(self, endpoint: str | None = None, patience: Patience | None = None) -> None:
        from huggingface_hub import constants

        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self.patience = patience or Patience()

    def ask(
        self, url: str, about: str, headers: Callable[[], Mapping[str, str]], read: Callable[["Answer"], T]
    ) -> T:
        """What `read` makes of the answer to a GET. `headers` is asked anew for each attempt.

        `read` may raise Again; it gets a streamed answer, of which it has to limit what it takes.
        Raises HubError.
        """
        from huggingface_hub.errors import OfflineModeIsEnabled

        deadline = time.monotonic() + self.patience.total
        wait, reason = self.patience.first_wait, ""
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return self._once(url, about, headers(), read, deadline)
            except OfflineModeIsEnabled as exc:
                message = f"{about} cannot be asked for: HF_HUB_OFFLINE is set"
                raise HubError("lock/offline", message, "unset it for `stackgen lock`") from exc
            except Again as exc:
                pause, reason = (wait if exc.seconds is None else exc.seconds), exc.reason
            if pause > self.patience.longest_wait or time.monotonic() + pause > deadline:
                hint = "try again later; what was read so far is kept"
                raise HubError("lock/hub", f"{about}: {reason}; it asks to wait {pause:.0f} s", hint)
            if attempt < self.patience.attempts:
                time.sleep(pause)
                wait *= 2 if pause else 1
        hint = "try again later, or check the network and HF_ENDPOINT"
        raise HubError("lock/hub", f"{about}: tried {self.patience.attempts} times; at last: {reason}", hint)

    def _once(
        self, url: str, about: str, headers: Mapping[str, str], read: Callable[["Answer"], T], deadline: float
    ) -> T:
        from huggingface_hub import get_session

        session = get_session()
        # huggingface_hub changed from requests to httpx and to httpx2: its errors are those of its session.
        httpx = import_module(type(session).__module__.partition(".")[0])
        timed: Answer | None = None
        try:
            with session.stream(
                "GET",
                url,
                headers={"User-Agent": "stackgen", **_authorization(), **headers},
                timeout=self.patience.silence,
            ) as answer:
                _refuse(answer, about)
                timed = Answer(answer, about, deadline)
                return read(timed)
        except httpx.TooManyRedirects as exc:
            raise HubError("lock/hub", f"{about}: the hub redirects in a circle", IS_IT_A_HUB) from exc
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as exc:
            raise HubError("lock/hub", f"{about}: {_short(exc)}", IS_IT_A_HUB) from exc
        except (httpx.HTTPError, httpx.StreamError) as exc:
            raise Again(_short(exc), 0.0 if timed and timed.received else None) from exc


def _authorization() -> dict[str, str]:
    """The user's token, if there is one. huggingface_hub's own headers would cost a request of their own."""
    from huggingface_hub import constants, get_token

    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return {} if token is None else {"Authorization": f"Bearer {token}"}


class Answer:
    """A good answer, whose bytes come one after another but not for ever."""

    def __init__(self, answer: Any, about: str, deadline: float) -> None:
        self._answer, self._about, self._deadline = answer, about, deadline
        self.received = False
        self.status_code: int = answer.status_code
        self.headers: Mapping[str, str] = answer.headers
        self.history: list[Any] = answer.history

    def chunks(self, *, decoded: bool = False) -> Iterator[bytes]:
        """The bytes as they come, or what they stand for. Raises HubError when they come too slowly."""
        for chunk in self._answer.iter_bytes() if decoded else self._answer.iter_raw():
            self.received = True
            yield chunk
            if time.monotonic() > self._deadline:
                hint = "try again later, or from a faster link"
                raise HubError("lock/hub", f"{self._about}: the hub sends too slowly", hint)


def _refuse(answer: Any, about: str) -> None:
    """Raises for every answer but a good one; reads nothing of its body."""
    status, code = answer.status_code, answer.headers.get("x-error-code", "")
    if status in (200, 206):
        return
    if status in TRY_AGAIN:
        seconds = answer.headers.get("retry-after", "").strip()
        pause = float(seconds) if seconds.isdigit() and len(seconds) < 9 else None
        raise Again(f"the hub answers {status} {answer.reason_phrase}", pause)
    if code == "GatedRepo":
        hint = "ask for access on the repository's page, then log in: `hf auth login`, or set HF_TOKEN"
        raise HubError("lock/gated", f"{about} is gated, and this account may not read it", hint)
    if code == "RevisionNotFound":
        raise HubError("lock/no-such-revision", f"{about}: there is no such revision")
    if code == "EntryNotFound" or status == 416:
        text = f"{about} is not there as the hub lists it"
        raise HubError("lock/changed", text, "run `stackgen lock` again")
    if code == "RepoNotFound" or status in (401, 404):
        hint = "check the spelling; a private repository needs a login: `hf auth login`, or set HF_TOKEN"
        raise HubError("lock/no-such-repository", f"there is no repository {about}, or it is private", hint)
    said = answer.headers.get("x-error-message", "")[:200] or answer.reason_phrase
    raise HubError("lock/hub", f"{about}: the hub answers {status} {said}", IS_IT_A_HUB)


def _short(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200] or type(exc).__name__
