"""The ConfigMap that kustomize makes, read by a real llama-server, which loads each preset of it."""

import re
from pathlib import Path
from typing import Any

import pytest

from stackgen import app
from stackgen.targets.kubernetes import TARGET
from tests.support import kubernetes
from tests.support import llama_server as program
from tests.support.router import Router, started
from tests.support.snippets import planned

pytestmark = pytest.mark.tool
WEIGHTS = re.compile(r"/models/\S+\.gguf")
PRESETS: dict[str, dict[str, Any]] = {
    "small": {"context": 1024},
    "much": {"context": 2048, "alias": ["much - and more of it"]},
}


def stack(build: int) -> dict[str, Any]:
    """Two presets on the CPU of a node, for the build that is installed."""
    llama = {
        "engine": "llama-server",
        "host": "node",
        "image": f"ghcr.io/ggml-org/llama.cpp:server-b{build}",
        "options": {"models_max": 1, "parallel": 1},
        "models": {name: {"model": "tiny", **own} for name, own in PRESETS.items()},
        "volumes": {"models": "models"},
    }
    return {
        "version": 1,
        "name": "home",
        "hosts": {"node": {"platform": "kubernetes", "ram": "64GiB"}},
        "models": {"tiny": {"hf": "unsloth/Qwen3-4B-Instruct-2507-GGUF:Q4_K_M"}},
        "services": {"llama": llama},
        "volumes": {"models": {"path": "/srv/models", "size": "10GiB"}},
    }


def test_it_loads_what_the_config_map_says(tmp_path: Path) -> None:
    model = program.loadable_model(tmp_path)
    deployment = app.deploy(planned(stack(program.build()), tmp_path), "stack.yaml")
    kubernetes.write(tmp_path, TARGET.render(deployment).documents)
    ((text, arguments),) = kubernetes.presets(tmp_path / "kubernetes")
    with started(WEIGHTS.sub(str(model), text), tmp_path, *arguments) as router:
        assert isinstance(router, Router), router
        for name in (*PRESETS, "much - and more of it"):
            status, answer = router.chat(name)
            assert status == 200, answer
