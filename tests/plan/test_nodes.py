"""Limits that would kill a service."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.snippets import planned

KINDS = {"plan/ram-limit"}


def stack(*, platform: str = "kubernetes", host: Any = None, **more: Any) -> dict[str, Any]:
    """Two programs that each want the only card of a node."""
    program = {"engine": "program", "host": "node", "gpus": [0], "vram": {"low": "1GiB", "high": "2GiB"}}
    services = {name: {**program, "image": f"example.org/{name}:1.0"} for name in ("one", "two")}
    node = {"platform": platform, "ram": "64GiB", "gpus": ["rtx-3090"], **(host or {})}
    return {"version": 1, "name": "home", "hosts": {"node": node}, "services": services, **more}


def found(written: dict[str, Any], folder: Path) -> list[str]:
    return [d.kind for d in planned(written, folder).diagnostics if d.kind in KINDS]


@pytest.mark.parametrize(("limit", "kinds"), [("100GiB", ["plan/ram-limit"]), ("300GiB", [])])
def test_a_limit_below_what_models_take(limit: str, kinds: list[str], tmp_path: Path) -> None:
    service = {
        "engine": "llama-server",
        "host": "node",
        "gpus": [0, 1],
        "image": "ghcr.io/ggml-org/llama.cpp:server-cuda-b11434",
        "models": {"big": {"model": "big", "context": 8192, "cpu_moe": True}},
        "volumes": {"models": "models"},
        "ram": limit,
    }
    big = {"hf": "unsloth/Qwen3.5-397B-A17B-GGUF:UD-Q4_K_XL"}
    node = {"ram": "512GiB", "gpus": ["rtx-3090", "rtx-3090"]}
    written = stack(host=node, models={"big": big}, volumes={"models": {"path": "/srv/models"}})
    assert found(written | {"services": {"llama": service}}, tmp_path) == kinds


def small(limit: str, image: str = "0.32.15") -> dict[str, Any]:
    """Ollama with a model on the card, so that little but prompts needs main memory."""
    service = {
        "engine": "ollama",
        "host": "node",
        "gpus": [0],
        "image": f"docker.io/ollama/ollama:{image}",
        "models": {"small": {"model": "small"}},
        "volumes": {"models": "models"},
        "ram": limit,
    }
    models = {"small": {"hf": "unsloth/Qwen3-4B-Instruct-2507-GGUF:Q4_K_M"}}
    return stack(models=models, volumes={"models": {"path": "/srv/models"}}) | {
        "services": {"small": service}
    }


def test_a_limit_that_caches_fill_in_use(tmp_path: Path) -> None:
    (finding,) = [d for d in planned(small("4GiB"), tmp_path).diagnostics if d.kind in KINDS]
    assert "killed in use" in finding.message
    assert "cache_ram" in (finding.hint or "")


def test_an_ollama_without_llama_server_keeps_no_prompts(tmp_path: Path) -> None:
    assert found(small("4GiB", "0.17.1"), tmp_path) == []


def test_a_limit_is_not_added_to_what_it_limits(tmp_path: Path) -> None:
    written = stack(host={"gpu_sharing": {"replicas": 2}})
    for service in written["services"].values():
        service["ram"] = "20GiB"
    (host,) = planned(written, tmp_path).hosts
    assert host.ram_high == 40 * 1024**3
