"""A real LiteLLM proxy on loopback, and a service behind it that only writes down what it is asked."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from tests.support.programs import require

KEY = "sk-of-the-gateway"


class Answer(NamedTuple):
    """Of the gateway: HTTP status, headers and JSON (or text)."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Proxy:
    """A gateway that runs."""

    port: int
    log: Path

    def ask(self, path: str, body: Any = None, *, key: str | None = KEY, **headers: str) -> Answer:
        """The answer to a request, with the master key unless told otherwise."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, sent | headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return Answer(answer.status, dict(answer.headers), _parsed(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), _parsed(error.read()))

    def chat(self, model: str, text: str = "hi") -> Answer:
        """The answer of a short conversation."""
        message = {"role": "user", "content": text}
        return self.ask("/v1/chat/completions", {"model": model, "max_tokens": 4, "messages": [message]})


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")


@contextmanager
def running(config: str, folder: Path, env: Mapping[str, str]) -> Iterator[Proxy]:
    """A proxy with this config file; raises RuntimeError when it does not start."""
    program, file, log = require("litellm"), folder / "config.yaml", folder / "litellm.log"
    file.write_text(config, "utf-8")
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "--config", str(file), "--host", "127.0.0.1", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(program, folder) | dict(env),
        )
    try:
        _wait(process, port, log)
        yield Proxy(port, log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment(program: str, folder: Path) -> dict[str, str]:
    """What LiteLLM needs to run at all, and nothing of this machine's own settings."""
    return {"PATH": f"{Path(program).parent}:{os.environ['PATH']}", "HOME": str(folder)}


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(log.read_text(errors="replace")[-4000:])
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(log.read_text(errors="replace")[-4000:])


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Asked(NamedTuple):
    """One request: where, with which key, and for which model."""

    path: str
    key: str | None
    model: str | None


@dataclass(frozen=True)
class Recorder:
    """A service of all protocols that answers the least that is right."""

    port: int
    asked: list[Asked] = field(default_factory=list)


_ANSWERS: Mapping[str, Any] = {
    "/v1/rerank": {
        "id": "r",
        "results": [{"index": 0, "relevance_score": 0.5}],
        "usage": {"total_tokens": 3},
    },
    "/v1/embeddings": {
        "object": "list",
        "model": "e",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    },
    "/v1/audio/transcriptions": {"text": "hello"},
    "/api/chat": {"model": "m", "message": {"role": "assistant", "content": "hi"}, "done": True},
    "/api/embed": {"model": "m", "embeddings": [[0.5]], "prompt_eval_count": 1},
}


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder that runs."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = _parsed(self.rfile.read(int(self.headers["Content-Length"])))
            model = data.get("model") if isinstance(data, dict) else None
            asked.append(Asked(self.path, self.headers["Authorization"], model))
            self._answer(200 if self.path in _ANSWERS else 404, _ANSWERS.get(self.path, {}))

        def do_GET(self) -> None:
            self._answer(404, {})

        def _answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Recorder(server.server_port, asked)
        finally:
            server.shutdown()
            thread.join()
