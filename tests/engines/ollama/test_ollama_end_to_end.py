"""From a name of the library to a store: locked, rendered, and filled by the script that hosts run."""

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from stackgen.domain.target_defaults import question
from stackgen.domain.workload import Health
from tests.support import compose
from tests.support.cli import stackgen
from tests.support.fake_hub import FakeHub, serving
from tests.support.hub_files import put
from tests.support.programs import require
from tests.support.tiny_gguf import write

pytestmark = pytest.mark.tool
SYSTEM = 'Antworte kurz.\nIt\'s "$HOME" and `pwd`.\n'
STACK = """
version: 1
name: home
hosts: {rig: {platform: compose, ram: 64GiB, gpus: [rtx-3090]}}
models:
  small: {ollama: "small:1b"}
services:
  ollama:
    engine: ollama
    host: rig
    gpus: [0]
    models: {helper: {model: small, num_ctx: %d, alias: ["small:1b"], system: %s}}
    volumes: {models: store}
volumes: {store: {path: /srv/ollama}}
"""


class Place:
    """A stack, the registry, and the volume of its store."""

    def __init__(self, root: Path, hub: FakeHub) -> None:
        self.root, self.hub, self.volume = root, hub, root / "volume"
        self.volume.mkdir()

    def stackgen(self, *arguments: str | Path) -> None:
        env = {
            "OLLAMA_REGISTRY": self.hub.url,
            "HF_HOME": str(self.root / "hf"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "HF_HUB_OFFLINE": "",
        }
        run = stackgen(*arguments, cwd=self.root, env=env)
        assert run.status == 0, run.err

    def fill(self, num_ctx: int) -> str:
        (self.root / "stack.yaml").write_text(STACK % (num_ctx, json.dumps(SYSTEM)))
        self.stackgen("lock")
        self.stackgen("render", "--target", "compose", "-o", self.root / "out")
        script = self.root / "out" / "compose" / "rig" / "download-store" / "download.sh"
        run = subprocess.run(
            ["sh", str(script), str(self.volume)],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.environ["PATH"], "HF_ENDPOINT": self.hub.url},
        )
        return run.stdout

    def read(self, name: str) -> dict[str, Any]:
        """A model as Ollama reads it (server/images.go): parts by kind, parameters one on top of the other."""
        manifest = json.loads((self.volume / "manifests" / "registry.ollama.ai" / name).read_text())
        found: dict[str, Any] = {"params": {}, "config": json.loads(self.blob(manifest["config"]))}
        for layer in manifest["layers"]:
            kind = layer["mediaType"].removeprefix("application/vnd.ollama.image.")
            data = self.blob(layer)
            if kind == "params":
                found["params"] |= json.loads(data)
            else:
                found[kind] = data
        return found

    def blob(self, layer: dict[str, Any]) -> bytes:
        data = Path(self.volume, "blobs", str(layer["digest"]).replace(":", "-")).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (layer["size"], layer["digest"][7:])
        return data


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    require("curl")
    weights = write(tmp_path / "m.gguf", context=2048).read_bytes()
    config = json.dumps({"model_format": "gguf", "model_family": "llama", "renderer": "r", "parser": "p"})
    params = json.dumps({"stop": ["</s>"], "num_ctx": 64})
    put(
        tmp_path / "hub",
        "blobs",
        {"m.gguf": weights, "t": b"{{ .Prompt }}", "p": params.encode(), "c": config.encode()},
    )
    with serving(tmp_path / "hub") as hub:
        hub.models = {
            "library/small:1b": [
                ("model", "blobs/m.gguf"),
                ("template", "blobs/t"),
                ("params", "blobs/p"),
                ("config", "blobs/c"),
            ]
        }
        yield Place(tmp_path, hub)


def test_the_store_has_the_model_under_all_its_names(place: Place) -> None:
    place.fill(1024)
    helper = place.read("library/helper/latest")
    assert helper == place.read("library/small/1b")
    assert helper["model"] == (place.hub.root / "blobs" / "m.gguf").read_bytes()
    assert helper["config"]["renderer"] == "r"
    assert helper["params"] == {"stop": ["</s>"], "num_ctx": 1024, "num_batch": 512}
    assert helper["system"].decode() == SYSTEM
    assert helper["template"] == b"{{ .Prompt }}"


def test_a_change_is_written_and_nothing_is_downloaded_again(place: Place) -> None:
    place.fill(1024)
    place.hub.asked.clear()
    assert "downloading" not in place.fill(512)
    assert place.read("library/helper/latest")["params"]["num_ctx"] == 512
    assert "downloading" not in place.fill(1024)
    assert place.read("library/helper/latest")["params"]["num_ctx"] == 1024
    assert place.hub.asked == []


def test_the_same_files_can_be_fetched_from_here(place: Place) -> None:
    place.fill(1024)
    there = sorted(f.relative_to(place.volume) for f in place.volume.rglob("*") if f.is_file())
    place.volume = place.root / "other"
    place.stackgen("download", "--to", place.volume)
    assert place.read("library/helper/latest")["params"]["num_ctx"] == 1024
    kept = [path for path in there if ".stackgen" not in path.parts]
    assert all((place.volume / path).is_file() for path in kept)


def test_compose_takes_it_and_asks_as_we_do(place: Place) -> None:
    place.fill(1024)
    project = compose.config(place.root / "out" / "compose" / "rig")
    service = project["services"]["ollama"]
    assert service["healthcheck"]["test"][1:] == question(Health(port=11434, path="/", tool="bash"))
    assert service["depends_on"]["download-store"]["condition"] == "service_completed_successfully"
    assert service["environment"]["OLLAMA_MODELS"] == "/models"


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
def test_bash_can_ask_whether_it_answers(status: int | None, healthy: bool) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status or 500)
            self.end_headers()
            self.wfile.write(b"Ollama is running")

        def log_message(self, *args: object) -> None:
            pass

    require("bash")
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        port = server.server_address[1] if status else 1
        threading.Thread(target=server.handle_request, daemon=True).start()
        run = subprocess.run(
            question(Health(port=port, path="/", tool="bash")), capture_output=True, check=False
        )
    assert (run.returncode == 0) is healthy
