"""Requests to the Hugging Face hub, in the user's name. Token and endpoint are those of huggingface_hub."""

from collections.abc import Mapping
from typing import Any

from stackgen.io.client import Client, FetchError, Patience


class HubClient(Client):
    """Asks one hub."""

    who = "the hub"
    doubt = "is HF_ENDPOINT a hub, and is there no proxy in between that answers for it?"

    def __init__(self, endpoint: str | None = None, patience: Patience | None = None) -> None:
        from huggingface_hub import constants, get_token

        super().__init__(patience)
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        # huggingface_hub's own headers would cost a request of their own.
        self._token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()

    def authorization(self) -> Mapping[str, str]:
        """The user's token, if there is one."""
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}

    def refuse(self, answer: Any, about: str) -> None:
        """Raises FetchError, with what the hub says is wrong."""
        status, code = answer.status_code, answer.headers.get("x-error-code", "")
        if code == "GatedRepo":
            hint = "ask for access on the repository's page, then log in: `hf auth login`, or set HF_TOKEN"
            raise FetchError("lock/gated", f"{about} is gated, and this account may not read it", hint)
        if code == "RevisionNotFound":
            raise FetchError("lock/no-such-revision", f"{about}: there is no such revision")
        if code == "EntryNotFound" or status == 416:
            text = f"{about} is not there as the hub lists it"
            raise FetchError("lock/changed", text, "run `stackgen lock` again")
        if code == "RepoNotFound" or status in (401, 404):
            hint = "check the spelling; a private repository needs a login: `hf auth login`, or set HF_TOKEN"
            text = f"there is no repository {about}, or it is private"
            raise FetchError("lock/no-such-repository", text, hint)
        said = answer.headers.get("x-error-message", "")[:200] or answer.reason_phrase
        raise FetchError("lock/hub", f"{about}: the hub answers {status} {said}", self.doubt)
