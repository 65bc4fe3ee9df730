"""How long a start may take where weights are loaded before a program answers."""

from typing import Any

import pytest

from stackgen.app.rendering import deploy
from tests.support.snippets import planned

SMALL = "Qwen/Qwen3-8B-FP8"
LARGE = "deepseek-ai/DeepSeek-V3.1"


def start_period(repository: str, folder: Any) -> int:
    services = {
        "it": {
            "engine": "vllm",
            "host": "box",
            "gpus": list(range(8)),
            "models": {"chat": {"model": "chat", "max_model_len": 4096}},
            "volumes": {"models": "weights"},
        }
    }
    stack = {
        "version": 1,
        "name": "home",
        "hosts": {"box": {"platform": "kubernetes", "gpus": ["b200"] * 8}},
        "models": {"chat": {"hf": repository}},
        "services": services,
        "volumes": {"weights": {"nfs": "nas:/weights"}},
    }
    (host,) = deploy(planned(stack, folder), "stack.yaml").hosts
    health = host.workloads[0].health
    assert health is not None
    return health.start_period


@pytest.mark.parametrize(("repository", "least", "most"), [(SMALL, 1800, 1800), (LARGE, 7000, 8500)])
def test_weights_that_take_an_hour_have_an_hour(
    repository: str, least: int, most: int, tmp_path: Any
) -> None:
    assert least <= start_period(repository, tmp_path) <= most
