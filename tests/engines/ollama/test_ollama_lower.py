"""Ollama as a workload: its environment says what was planned."""

from dataclasses import replace

import pytest

from stackgen.domain.interface import Api, Task
from stackgen.engines.ollama import ENGINE
from tests.support.engines import BOX, lower, planned, service

MODELS = "models: {m: {model: m, hf: 'Qwen/Qwen3-8B-GGUF:Q4_K_M', num_ctx: 8192, alias: ['qwen3:8b']}}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("keep_alive: forever", {"OLLAMA_KEEP_ALIVE": "-1"}),
        ("keep_alive: 0s", {"OLLAMA_KEEP_ALIVE": "0s"}),
        ("keep_alive: 30m", {"OLLAMA_KEEP_ALIVE": "1800s"}),
        ("num_parallel: 2", {"OLLAMA_NUM_PARALLEL": "2"}),
        ("flash_attention: false", {"OLLAMA_FLASH_ATTENTION": "0"}),
        ("kv_cache_type: q8_0", {"OLLAMA_KV_CACHE_TYPE": "q8_0"}),
        ("gpu_overhead: 1GiB", {"OLLAMA_GPU_OVERHEAD": "1073741824"}),
        ("load_timeout: 10m", {"OLLAMA_LOAD_TIMEOUT": "600s"}),
        ("max_queue: 8", {"OLLAMA_MAX_QUEUE": "8"}),
        ("origins: ['https://a', 'https://b']", {"OLLAMA_ORIGINS": "https://a,https://b"}),
        ("cache_ram: 512MiB", {"LLAMA_ARG_CACHE_RAM": "512"}),
        ("no_cloud: false", {"OLLAMA_NO_CLOUD": "0"}),
        ("fit: 'on'", {"LLAMA_ARG_FIT": "on"}),
        ("no_prune: true", {"OLLAMA_NOPRUNE": "1"}),
    ],
)
def test_options_are_variables(options: str, expected: dict[str, str]) -> None:
    env = lower(ENGINE, service(ENGINE, f"{{gpus: [0], options: {{{options}}}, {MODELS}}}")).env
    usual = lower(ENGINE, service(ENGINE, f"{{gpus: [0], {MODELS}}}")).env
    assert {name: value for name, value in env.items() if usual.get(name) != value} == expected


def test_what_decides_memory_is_always_said() -> None:
    env = lower(ENGINE, service(ENGINE, f"{{gpus: [0, 1], {MODELS}}}")).env
    assert env == {
        "OLLAMA_HOST": "0.0.0.0:11434",
        "OLLAMA_MODELS": "/models",
        "OLLAMA_MAX_LOADED_MODELS": "1",
        "OLLAMA_NUM_PARALLEL": "1",
        "OLLAMA_KV_CACHE_TYPE": "f16",
        "OLLAMA_NO_CLOUD": "1",
        "OLLAMA_SCHED_SPREAD": "1",
        "LLAMA_ARG_FIT": "off",
        "LLAMA_ARG_TENSOR_SPLIT": "24576,24576",
    }


def test_its_store_can_be_written_and_its_home_is_not_kept() -> None:
    run = lower(ENGINE, service(ENGINE, f"{{volumes: {{models: store}}, {MODELS}}}"))
    (mount,) = run.mounts
    assert (str(mount.target), mount.read_only) == ("/models", False)
    assert [str(folder) for folder in run.writable] == ["/root/.ollama"]
    assert (run.program, run.args) == ("ollama", ("serve",))
    assert run.health is not None
    assert run.health.tool == "bash"


def test_cards_of_amd_have_an_image_of_their_own() -> None:
    linked = service(ENGINE, f"{{gpus: [0], {MODELS}}}")
    amd = replace(linked, gpus=tuple(replace(gpu, vendor="amd") for gpu in BOX.gpus[:1]))
    assert lower(ENGINE, amd).image == lower(ENGINE, linked).image + "-rocm"


def test_others_learn_its_models() -> None:
    offered = ENGINE.interface(planned(ENGINE, service(ENGINE, f"{{gpus: [0], {MODELS}}}")))
    assert offered.apis[Api.OLLAMA] == ""
    (model,) = offered.models
    assert (model.id, model.aliases, model.context, model.task) == ("m", ("qwen3:8b",), 8192, Task.CHAT)
