"""A whole stack with TabbyAPI: its plan, its advice, and the files of a host that has it installed."""

import json
from pathlib import Path

import pytest
import yaml

from tests.support.cli import stackgen

STACK = """
version: 1
name: hydra
hosts:
  hydra-ai: {platform: nixos, ram: 64GiB, gpus: [rtx-5090, rtx-4090]}
models:
  llama: {hf: turboderp/Llama-3.1-70B-Instruct-exl3, revision: 4.0bpw}
services:
  tabby:
    engine: tabbyapi
    host: hydra-ai
    gpus: [0, 1]
    options:
      native: {folder: /opt/tabbyapi, python: /opt/tabbyapi/venv/bin/python}
      api_key: {secret: {name: tabby, key: api-key}}
    models:
      llama: {model: llama, max_seq_len: 32768, cache_mode: Q8}
    publish: {port: 5000, address: 0.0.0.0}
    volumes: {models: models}
volumes:
  models: {path: /mnt/models}
"""


@pytest.mark.parametrize(
    "split",
    ["", "      gpu_split: [29GiB, 22GiB]\n", "      tensor_parallel: true\n"],
    ids=["auto", "split", "tensor"],
)
def test_70b_at_4_bits_fits_two_uneven_cards(tmp_path: Path, split: str) -> None:
    (tmp_path / "stack.yaml").write_text(STACK.replace("      api_key:", f"{split}      api_key:"))
    run = stackgen("plan", tmp_path, "--format", "json")
    assert run.status == 0, run.out
    gpus = json.loads(run.out)["gpus"]
    weights = [next(t for t in g["residents"][0]["terms"] if t["term"] == "weights") for g in gpus]
    # 68.4e9 weights at 4 bits and a head at 6: 35 GB, on both cards.
    assert sum(w["low"] for w in weights) <= 35.1e9 <= sum(w["high"] for w in weights)
    assert all(g["free"] > 0 for g in gpus)


def test_advice_names_a_smaller_branch(tmp_path: Path) -> None:
    text = STACK.replace("4.0bpw", "5.0bpw").replace("32768", "65536")
    (tmp_path / "stack.yaml").write_text(text)
    run = stackgen("plan", tmp_path)
    assert run.status == 1
    assert "revision: 4.0bpw (in models.llama)" in run.out
    assert "(in tabby/llama)" in run.out


def test_an_installation_is_a_unit_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text(STACK)
    assert stackgen("render", tmp_path, "-o", tmp_path / "out").status == 0
    folder = tmp_path / "out" / "nixos" / "hydra-ai"
    module = (folder / "default.nix").read_text()
    command = (
        "/opt/tabbyapi/venv/bin/python /config/start.py /opt/tabbyapi/main.py --config /config/config.yml"
    )
    assert f'ExecStart = "{command}"' in module
    assert 'TABBY_NETWORK_PORT = "5000"' in module
    assert "TABBYAPI_API_KEY" not in module
    model = yaml.safe_load((folder / "tabby" / "config.yml").read_text())["model"]
    assert model["autosplit_reserve"] == [768, 768]
    assert model["model_name"] == "Llama-3.1-70B-Instruct-exl3-4.0bpw"
