"""A repository of EXL3 weights: locked by its config.json and its headers, planned exactly, mounted where it is put."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.facts.test_hf import LLAMA, llama_tensors
from tests.support.cli import Run, stackgen
from tests.support.fake_hub import FakeHub
from tests.support.hub_files import put, safetensors
from tests.support.locked_hub import environment, locked_hub

REPO = "home/tiny-exl3"
TINY = LLAMA | {
    "num_hidden_layers": 2,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1024,
    "max_position_embeddings": 4096,
}
STACK = f"""
version: 1
name: tiny
hosts:
  box: {{platform: compose, ram: 64GiB, gpus: [rtx-3090]}}
models:
  tiny: {{hf: {REPO}, revision: 4.0bpw}}
services:
  tabby:
    engine: tabbyapi
    host: box
    gpus: [0]
    image: example.org/tabbyapi:1.0
    options: {{api_key: {{secret: {{name: tabby, key: api-key}}}}}}
    models: {{tiny: {{model: tiny, max_seq_len: 2048}}}}
    volumes: {{models: models}}
volumes:
  models: {{path: /srv/models}}
"""


class Place:
    """A stack of one model, and a hub that has it."""

    def __init__(self, root: Path, hub: FakeHub) -> None:
        self.root, self.hub = root, hub
        hub.branches.add("4.0bpw")
        (root / "stack.yaml").write_text(STACK)
        tensors = llama_tensors(TINY)
        half = len(tensors) // 2
        self.bytes = sum(t.size for t in tensors)
        shards = {
            f"model-{n:05}-of-00002.safetensors": safetensors(
                {t.name: (t.dtype, list(t.shape), t.size) for t in part}
            )
            for n, part in enumerate((tensors[:half], tensors[half:]), 1)
        }
        self.put({"config.json": json.dumps(TINY).encode(), **shards})

    def put(self, files: dict[str, bytes]) -> None:
        put(self.hub.root, REPO, {**files, "quantization_config.json": b"{}", "README.md": b"# Tiny\n"})

    def run(self, *arguments: str | Path) -> Run:
        return stackgen(*arguments, cwd=self.root, env=environment(self.hub, self.root))

    @property
    def locked(self) -> dict[str, object]:
        entry: dict[str, object] = json.loads((self.root / "stack.lock").read_text())["models"]["tiny"]
        return entry


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with locked_hub(tmp_path / "hub") as hub:
        yield Place(tmp_path, hub)


def test_facts_come_from_the_config_and_the_headers(place: Place) -> None:
    run = place.run("lock")
    assert run.status == 0, run.err
    facts = place.locked["facts"]
    assert isinstance(facts, dict)
    assert (facts["format"], facts["architecture"], facts["context_length"]) == ("exl3", "llama", 4096)
    assert facts["file_bytes"] == place.bytes
    assert facts["layers"] == [[2, 0]]
    assert facts["kinds"][0]["attention"]["heads_kv"] == 2
    names = [file["path"] for file in place.locked["pin"]["files"]]  # type: ignore[index]
    assert "README.md" not in names
    assert {"config.json", "quantization_config.json"} <= set(names)
    # One listing, a header of each file, and the config.
    assert len([a for a in place.hub.asked if "/api/" in a.path]) == 1


def test_the_plan_is_exact_and_the_folder_is_that_of_the_download(place: Place) -> None:
    assert place.run("lock").status == 0
    plan = json.loads(place.run("plan", "--format", "json", "--locked").out)
    terms = {t["term"]: t for t in plan["gpus"][0]["residents"][0]["terms"]}
    assert terms["weights"]["basis"] == "exact"
    assert terms["weights"]["high"] == place.bytes - 1024 * 256 * 2  # but for the embedding
    assert terms["kv"]["high"] == 2048 * 2 * 2 * 64 * 2 * 2
    assert place.run("render", "-o", "out").status == 0
    (config,) = (place.root / "out").rglob("config.yml")
    model = yaml.safe_load(config.read_text())["model"]
    assert (model["model_dir"], model["model_name"]) == ("/models/home", "tiny-exl3-4.0bpw")
    script = next(p for p in (place.root / "out").rglob("*download*") if p.is_file()).read_text()
    assert "home/tiny-exl3-4.0bpw/config.json" in script


@pytest.mark.parametrize("config", [b"<html>no</html>", b"[1]", b"{" * 100_000])
def test_a_damaged_config_is_told_of(place: Place, config: bytes) -> None:
    place.put({"config.json": config, "model.safetensors": safetensors({"a": ("F16", [2], 4)})})
    run = place.run("lock")
    assert run.status == 1
    assert "config.json: not " in " ".join(run.err.split())
    assert not (place.root / "stack.lock").exists()


def test_what_is_no_language_model_is_locked_without_facts(place: Place) -> None:
    place.put(
        {"config.json": b'{"model_type": "vae"}', "model.safetensors": safetensors({"a": ("F16", [2], 4)})}
    )
    assert place.run("lock").status == 0
    assert "facts" not in place.locked


def test_a_folder_of_this_machine_is_read_as_well(place: Place) -> None:
    folder = place.root / "models" / "tiny-exl3"
    shutil.copytree(place.hub.root / REPO, folder)
    text = STACK.replace(f"hf: {REPO}, revision: 4.0bpw", f"path: {folder}")
    (place.root / "stack.yaml").write_text(text.replace("/srv/models", str(folder.parent)))
    run = place.run("lock")
    assert run.status == 0, run.err
    plan = json.loads(place.run("plan", "--format", "json").out)
    assert plan["verdict"] == "fits"
    assert plan["gpus"][0]["residents"][0]["terms"][0]["basis"] == "exact"
    assert place.run("render", "-o", "out").status == 0
    (config,) = (place.root / "out").rglob("config.yml")
    model = yaml.safe_load(config.read_text())["model"]
    assert (model["model_dir"], model["model_name"]) == ("/models", "tiny-exl3")
