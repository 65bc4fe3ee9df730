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


def listed(presets: str, folder: Path, *arguments: str) -> dict[str, dict[str, Any]] | Refused:
    """What the router lists for a presets file: the entry of `GET /models` by model id."""
    file = folder / "presets.ini"
    file.write_bytes(presets.encode())
    with _running(file, folder, arguments) as (process, port, log):
        for _ in range(200):
            if process.poll() is not None:
                return Refused(process.returncode, log.read_text(errors="replace"))
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/models", timeout=10) as answer:
                    return {model["id"]: model for model in json.load(answer)["data"]}
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise TimeoutError(log.read_text(errors="replace"))


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
