"""A real llama-server in router mode on loopback, without models and without a network."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.programs import require


@dataclass(frozen=True)
class Refused:
    """The router did not start: its exit status and what it printed."""

    status: int
    log: str


@dataclass(frozen=True)
class Router:
    """A router that runs."""

    port: int
    log: Path
    key: str = ""
    """What it wants to be sent along."""

    def answers(self) -> bool:
        """Whether it has started; until then nobody listens, or it says that it is loading."""
        try:
            return self._ask("/models")[0] == 200
        except (urllib.error.URLError, ConnectionError):
            return False

    def models(self) -> dict[str, dict[str, Any]]:
        """The entry of `GET /models` by model id."""
        status, answer = self._ask("/models")
        assert status == 200, answer
        return {model["id"]: model for model in answer["data"]}

    def chat(self, model: str) -> tuple[int, Any]:
        """HTTP status and answer of a short conversation, which loads the model."""
        message = {"role": "user", "content": "hi"}
        return self._ask("/v1/chat/completions", {"model": model, "max_tokens": 4, "messages": [message]})

    def _ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")


@contextmanager
def started(presets: str, folder: Path, *arguments: str) -> Iterator[Router | Refused]:
    """A router with this presets file, or what it said when it refused to start."""
    file = folder / "presets.ini"
    file.write_bytes(presets.encode())
    with serving(file, folder, *arguments) as router:
        yield router


@contextmanager
def serving(file: Path, folder: Path, *arguments: str, key: str = "") -> Iterator[Router | Refused]:
    """A router with the presets file of that path."""
    with _running(file, folder, (*arguments, *(("--api-key", key) if key else ()))) as (process, port, log):
        for _ in range(200):
            if process.poll() is not None:
                yield Refused(process.returncode, log.read_text(errors="replace"))
                return
            router = Router(port, log, key)
            if router.answers():
                yield router
                return
            time.sleep(0.05)
        raise TimeoutError(log.read_text(errors="replace"))


def listed(presets: str, folder: Path, *arguments: str) -> dict[str, dict[str, Any]] | Refused:
    """What the router lists for a presets file: the entry of `GET /models` by model id."""
    with started(presets, folder, *arguments) as answer:
        return answer if isinstance(answer, Refused) else answer.models()


@contextmanager
def _running(
    presets: Path, folder: Path, arguments: tuple[str, ...]
) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    server = require("llama-server")
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    # An empty cache of its own: otherwise the models that this machine happens to hold are listed too.
    own = {
        "LLAMA_CACHE": str(cache),
        "HF_HOME": str(cache),
        "HF_HUB_CACHE": str(cache),
        "XDG_CONFIG_HOME": str(cache),
    }
    port, log = _free_port(), folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [server, "--models-preset", str(presets), "--host", "127.0.0.1", "--port", str(port), *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(cache), "LLAMA_OFFLINE": "1", **own},
        )
        try:
            yield process, port, log
        finally:
            process.terminate()
            process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
