"""Models that are not on the hub: Ollama's registry, plain addresses, files of this machine."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from stackgen.app.locking import relock
from stackgen.domain.hosts import Host
from stackgen.domain.linked import LinkedModel, LinkedStack, ModelRequest
from stackgen.domain.lock import Lock
from stackgen.domain.stack import Stack
from tests.support.cli import Run, stackgen
from tests.support.fake_hub import FakeHub, Fault, serving
from tests.support.hub_files import header, put
from tests.support.programs import require
from tests.support.tiny_gguf import write

PARTS = [("model", "blobs/m.gguf"), ("template", "blobs/t"), ("params", "blobs/p"), ("license", "blobs/l")]
TEXT = """
version: 1
name: home
hosts: {{rig: {{platform: compose, ram: 64GiB, gpus: [rtx-3090]}}}}
models:
  small: {{ollama: "small:1b"}}
  mine: {{url: "{url}/cdn/files/mine-Q8_0.gguf?download=true", sha256: {sha256}}}
  local: {{path: {local}}}
services:
  llama:
    engine: llama-server
    host: rig
    gpus: [0]
    image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
    options: {{parallel: 1, models_max: 1, context: 512}}
    models: {{small: {{model: small}}, mine: {{model: mine}}, local: {{model: local}}}}
    volumes: {{models: weights}}
volumes: {{weights: {{path: /srv/weights}}}}
"""


@cache
def model(context: int) -> bytes:
    """A whole model, which a context of its own tells from others."""
    with TemporaryDirectory() as folder:
        return write(Path(folder, "model.gguf"), context=context).read_bytes()


class Place:
    """A stack with one model of each kind, and a server that has them."""

    def __init__(self, root: Path, hub: FakeHub) -> None:
        self.root, self.hub = root, hub
        self.local = root / "models" / "local-F32.gguf"
        self.local.parent.mkdir()
        self.local.write_bytes(model(1536))
        self.write()

    def write(self, **changes: str) -> None:
        mine = (self.hub.root / "files" / "mine-Q8_0.gguf").read_bytes()
        values = {"url": self.hub.url, "sha256": hashlib.sha256(mine).hexdigest(), "local": str(self.local)}
        (self.root / "stack.yaml").write_text(TEXT.format(**values | changes))

    @property
    def env(self) -> dict[str, str]:
        return {
            "OLLAMA_REGISTRY": self.hub.url,
            "HF_HOME": str(self.root / "hf"),
            "HF_TOKEN": "hf_secret",
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "HF_HUB_OFFLINE": "",
        }

    def run(self, *arguments: str | Path) -> Run:
        return stackgen(*arguments, cwd=self.root, env=self.env)

    @property
    def entries(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / "stack.lock").read_text())["models"]
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    put(
        tmp_path / "hub",
        "blobs",
        {"m.gguf": model(512), "t": b"{{ .Prompt }}", "p": b"{}", "l": b"MIT", "a": b"adapter"},
    )
    put(tmp_path / "hub", "files", {"mine-Q8_0.gguf": model(1024)})
    with serving(tmp_path / "hub") as hub:
        hub.models = {"library/small:1b": list(PARTS)}
        yield Place(tmp_path, hub)


def test_each_is_pinned_by_what_proves_it(place: Place) -> None:
    run = place.run("lock")
    assert run.status == 0, run.err
    small, mine, local = (place.entries[name] for name in ("small", "mine", "local"))
    assert small["request"] == {"ollama": "small:1b"}
    assert (small["pin"]["registry"], small["pin"]["repo"]) == (place.hub.url, "library/small")
    assert len(small["pin"]["commit"]) == 64
    assert [f["path"] for f in small["pin"]["files"]] == ["model.gguf", "template", "params.json", "license"]
    assert all(len(f["sha256"]) == 64 for f in small["pin"]["files"])
    [file] = mine["pin"]["files"]
    assert mine["pin"]["etag"] == f'"{file["sha256"]}"'
    assert file["size"] == (place.hub.root / "files" / "mine-Q8_0.gguf").stat().st_size
    [file] = local["pin"]["files"]
    assert file.keys() == {"path", "size", "header"}
    assert {entry["facts"]["architecture"] for entry in place.entries.values()} == {"llama"}
    # Two requests for each, or three where the registry sends elsewhere; and the token is none of theirs.
    assert len(place.hub.asked) == 5
    assert {asked.authorization for asked in place.hub.asked} == {None}
    assert "locked small: library/small at " in run.err
    assert f"locked local: {place.local}" in run.err


def test_a_plan_needs_neither_the_servers_nor_the_local_file(place: Place) -> None:
    place.run("lock")
    here = place.run("plan", "--locked", "--format", "json")
    place.local.unlink()
    place.hub.asked.clear()
    elsewhere = place.run("plan", "--locked", "--format", "json")
    assert (elsewhere.status, elsewhere.out) == (here.status, here.out)
    assert here.status == 0, here.err
    assert '"basis": "catalog"' not in here.out
    assert place.run("lock", "--check").status == 0
    assert place.run("lock").status == 0
    assert set(place.entries) == {"small", "mine", "local"}
    assert place.hub.asked == []


def test_a_local_file_is_read_again_each_time_and_needs_no_lock(place: Place) -> None:
    place.run("lock")
    before = place.entries["local"]["pin"]
    place.local.write_bytes(model(2048))
    run = place.run("lock")
    assert f"moved local: {place.local}" in run.err
    assert place.entries["local"]["pin"] != before
    place.local.unlink()
    (place.root / "stack.lock").unlink()
    assert place.run("lock").status == 0
    assert "local" not in place.entries
    assert place.run("lock", "--check").status == 0


def test_another_hash_is_another_request(place: Place) -> None:
    place.run("lock")
    place.write(sha256="a" * 64)
    run = place.run("lock", "--check")
    assert run.status == 3
    assert "sha256 was" in run.err


def test_a_projector_comes_with_its_model(place: Place) -> None:
    put(place.hub.root, "blobs", {"v": header("phi-4")})
    place.hub.big["blobs/v"] = 20_000_000_000
    place.hub.models["library/small:1b"].append(("projector", "blobs/v"))
    assert place.run("lock").status == 0
    assert place.entries["small"]["mmproj"] > 10_000_000_000
    rendered = place.run("render", "--target", "compose", "-o", place.root / "out")
    assert rendered.status == 0, rendered.err
    text = (place.root / "out" / "compose" / "rig" / "llama" / "presets.ini").read_text()
    assert "mmproj = /models/ollama/library/small/1b/projector.gguf" in text
    assert "model = /models/ollama/library/small/1b/model.gguf" in text


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (
            Fault(on="/manifests/", status=404),
            "lock/no-such-repository",
            "the registry has no model small:1b",
        ),
        (Fault(on="/manifests/", body=b"<html>"), "lock/hub", "the registry did not answer with JSON"),
        (Fault(on="/manifests/", body=b'{"layers": 3}'), "lock/no-weights", "has no GGUF file"),
        (
            Fault(on="/manifests/", body=b'{"layers": [{"mediaType": "x", "digest": "md5:1", "size": 1}]}'),
            "lock/hub",
            "a part without size or digest",
        ),
        (
            Fault(
                on="/manifests/", body=b'{"layers": [{"mediaType": "x", "digest": "md5:1", "size": 1}, 7]}'
            ),
            "lock/hub",
            "a part without size or digest",
        ),
        (
            Fault(on="/blobs/", body=b"<html>".ljust(5)),
            "lock/changed",
            "is not the file that the registry lists",
        ),
        (Fault(on="/cdn/files", status=404), "lock/no-such-file", "there is no http"),
        (Fault(on="/cdn/files", status=403), "lock/hub", "the server answers 403"),
        (
            Fault(on="/cdn/files", headers={"Content-Range": "bytes */*"}),
            "lock/hub",
            "does not tell the file's",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_server_should_answer(place: Place, fault: Fault, kind: str, said: str) -> None:
    place.hub.faults = [fault]
    run = place.run("lock")
    assert run.status == 1
    assert said in " ".join(run.err.split())
    assert f"[{kind}]" in run.err
    assert not (place.root / "stack.lock").exists()


def test_parts_that_only_ollama_can_use_are_refused(place: Place) -> None:
    place.hub.models["library/small:1b"].append(("adapter", "blobs/a"))
    run = place.run("lock")
    assert run.status == 1
    assert "which only Ollama can use" in " ".join(run.err.split())


def test_a_hash_that_is_only_claimed_gives_nobody_elses_header(tmp_path: Path) -> None:
    put(tmp_path / "hub", "files", {"a.gguf": model(512), "b.gguf": model(1024)})
    same = hashlib.sha256(model(512)).hexdigest()
    with serving(tmp_path / "hub") as fake:
        models = {
            name: LinkedModel(
                name=name, request=ModelRequest(url=f"{fake.url}/cdn/files/{name}.gguf", sha256=same)
            )
            for name in ("a", "b")
        }
        stack = LinkedStack(
            name="home",
            hosts={},
            models=models,
            services={},
            volumes={},
            headroom=0,
            stack=Stack(version=1, name="home", hosts={"box": Host(platform="compose")}),
        )
        entries = relock(stack, Lock()).lock.entries
    assert [facts.context_length for name in "ab" if (facts := entries[name].facts)] == [512, 1024]


class TestDownloads:
    def files(self, place: Place) -> dict[PurePosixPath, bytes]:
        host = place.hub.url.removeprefix("http://")
        names = {"model.gguf": "m.gguf", "template": "t", "params.json": "p", "license": "l"}
        small = PurePosixPath("ollama/library/small/1b")
        return {
            small / name: (place.hub.root / "blobs" / blob).read_bytes() for name, blob in names.items()
        } | {PurePosixPath(host, "cdn/files/mine-Q8_0.gguf"): model(1024)}

    def there(self, folder: Path) -> dict[PurePosixPath, bytes]:
        return {
            PurePosixPath(f.relative_to(folder)): f.read_bytes()
            for f in folder.rglob("*")
            if f.is_file() and ".stackgen" not in f.parts
        }

    @pytest.mark.tool
    def test_by_the_script(self, place: Place) -> None:
        require("curl")
        place.run("lock")
        assert place.run("render", "--target", "files", "-o", place.root / "out").status == 0
        script = place.root / "out" / "files" / "rig" / "download-weights.sh"
        volume = place.root / "volume"
        volume.mkdir()
        place.hub.faults = [Fault(on="/cdn/files", cut_after=1000)]
        place.hub.asked.clear()
        env = {"PATH": os.environ["PATH"], "HF_TOKEN": "hf_secret", "DOWNLOAD_PAUSE": "0"}
        done = subprocess.run(["sh", script, volume], capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
        assert self.there(volume) == self.files(place)
        assert {asked.authorization for asked in place.hub.asked} == {None}
        said = subprocess.run([require("shellcheck"), script], capture_output=True, text=True, check=False)
        assert said.stdout == ""

    def test_by_the_command(self, place: Place) -> None:
        place.run("lock")
        volume = place.root / "volume"
        place.hub.faults = [Fault(on="/cdn/files", cut_after=1000)]
        place.hub.asked.clear()
        run = place.run("download", "--to", volume)
        assert run.status == 0, run.err
        assert self.there(volume) == self.files(place)
        assert [a.range for a in place.hub.asked if "/cdn/files" in a.path] == ["bytes=0-", "bytes=1000-"]
        assert {asked.authorization for asked in place.hub.asked} == {None}
        place.hub.asked.clear()
        assert place.run("download", "--to", volume).status == 0
        assert place.hub.asked == []

    def test_other_bytes_than_promised_are_caught(self, place: Place) -> None:
        place.write(sha256="a" * 64)
        assert place.run("lock").status == 0
        run = place.run("download", "mine", "--to", place.root / "volume")
        assert run.status == 2
        assert "is not the locked file" in run.err
        assert self.there(place.root / "volume") == {}
