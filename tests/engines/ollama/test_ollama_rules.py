"""Each finding of Ollama: what makes it, and what does not."""

from dataclasses import replace
from typing import Any

import pytest

from stackgen.domain.plan import KnownModel
from stackgen.domain.units import GIB
from stackgen.engines.ollama import ENGINE
from stackgen.engines.ollama.rules.scheduler import predicted
from stackgen.engines.ollama.rules.service import _OPTIONS
from stackgen.facts.known import from_catalog
from tests.support.engines import BOX, found, kinds, known, service

QWEN = "hf: 'Qwen/Qwen3-8B-GGUF:Q4_K_M'"
ONE = f"{{gpus: [0], volumes: {{models: store}}, models: {{m: {{model: m, {QWEN}, num_ctx: 8192}}}}}}"


def with_service(text: str) -> str:
    """The sample with more keys of the service."""
    return ONE.replace("gpus: [0]", f"gpus: [0], {text}")


def with_model(text: str) -> str:
    """The sample with more options of its model."""
    return ONE.replace("num_ctx: 8192", text)


TWO_LARGE = """
gpus: [0]
volumes: {models: store}
options: {max_loaded_models: 2, kv_cache_type: q4_0}
models:
  a: {model: a, hf: 'Qwen/Qwen3-14B-GGUF:Q4_K_M', num_ctx: 40960}
  b: {model: b, hf: 'Qwen/Qwen3-14B-GGUF:Q4_K_M', num_ctx: 4096}
"""
CASES = {
    "ollama/no-auth": (
        with_service("publish: {port: 11434, address: 0.0.0.0}"),
        with_service("publish: 11434"),
    ),
    "ollama/variable": (
        with_service("env: {OLLAMA_NUM_PARALLEL: 4}"),
        with_service("env: {OLLAMA_VULKAN: 1}"),
    ),
    "ollama/dead-variable": (with_service("env: {OLLAMA_NUM_GPU: 1}"), ONE),
    "ollama/older-engine": (
        with_service("image: ollama/ollama:0.17.1"),
        with_service("image: 'docker.io/ollama/ollama:0.30.0-rocm'"),
    ),
    "ollama/throttled": (
        with_service("cpus: 4").replace("gpus: [0], ", ""),
        with_service("cpus: 4"),
    ),
    "ollama/overhead-without-effect": (with_service("options: {gpu_overhead: 1GiB}"), ONE),
    "ollama/never-unloads": (
        with_service("options: {keep_alive: forever}"),
        with_service("options: {keep_alive: 30m}"),
    ),
    "ollama/no-models-volume": (ONE.replace("volumes: {models: store}, ", ""), ONE),
    "ollama/name-taken": (with_model("alias: ['M:latest']"), with_model("alias: ['qwen3:8b', 'm:8b']")),
    "ollama/one-file-two-ways": (
        with_model(f"num_ctx: 8192}}, n: {{model: m, {QWEN}, num_ctx: 4096"),
        with_model(f"num_ctx: 8192}}, n: {{model: m, {QWEN}, num_ctx: 8192, temperature: 0.1"),
    ),
    "ollama/whichever-gpu": (
        with_service("options: {sched_spread: false}").replace("[0]", "[0, 1]"),
        with_service("options: {sched_spread: false}")
        .replace("[0]", "[0, 1]")
        .replace("num_ctx", "main_gpu: 1, num_ctx"),
    ),
    "ollama/cache-needs-flash-attention": (
        with_service("options: {flash_attention: false, kv_cache_type: q8_0}"),
        with_service("options: {kv_cache_type: q8_0}"),
    ),
    "ollama/context-by-memory": (
        with_model("temperature: 1").replace("[0]", "[0, 1]"),
        ONE.replace("[0]", "[0, 1]"),
    ),
    "ollama/context-cut": (with_model("num_ctx: 65536"), with_model("num_ctx: 40960")),
    "ollama/fit-moves-layers": (with_service("options: {fit: 'on'}"), with_service("options: {fit: 'off'}")),
    "ollama/main-gpu": (with_model("main_gpu: 1"), with_model("main_gpu: 0")),
    "ollama/parallel-ignored": (
        with_service("options: {num_parallel: 2}").replace("Qwen3-8B", "Qwen3.5-9B"),
        with_service("options: {num_parallel: 2}"),
    ),
    "ollama/no-prediction-blocks": (with_model("draft_num_predict: 2"), ONE),
    "ollama/evicts": (TWO_LARGE, TWO_LARGE.replace("40960", "8192")),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_finding_is_made_where_it_applies_and_nowhere_else(kind: str) -> None:
    wrong, right = (service(ENGINE, text) for text in CASES[kind])
    assert found(ENGINE, wrong, kind).message
    assert kind not in kinds(ENGINE, right)


def test_the_sample_has_nothing_wrong() -> None:
    assert kinds(ENGINE, service(ENGINE, ONE)) == []


def test_main_memory_that_nobody_tells_is_said_to_be_unchecked() -> None:
    linked = service(ENGINE, ONE.replace("gpus: [0], ", ""))
    told = replace(linked, host=replace(BOX, ram=64 * GIB))
    assert "ollama/ram-unchecked" not in kinds(ENGINE, told)
    assert found(ENGINE, linked, "ollama/ram-unchecked").hint == "add `ram` to hosts.box"


def changed(text: str, **values: Any) -> dict[str, KnownModel]:
    linked = service(ENGINE, text)
    return {name: replace(model, **values) for name, model in known(linked).items()}


def test_weights_in_parts_cannot_be_run() -> None:
    facts = changed(ONE, file="o/r/m-00001-of-00003.gguf")
    assert "ollama/file-in-parts" in [d.kind for d in ENGINE.check(service(ENGINE, ONE), facts)]


def test_a_projector_of_unknown_size_is_said_to_be_left_out() -> None:
    facts = changed(ONE, mmproj_file="mmproj-F16.gguf")
    assert "ollama/projector-not-counted" in [d.kind for d in ENGINE.check(service(ENGINE, ONE), facts)]


def test_every_option_that_is_a_variable_is_one_of_the_options() -> None:
    fields = ENGINE.schema()[0]["properties"]
    assert set(_OPTIONS.values()) <= set(fields)
    assert {"OLLAMA_KEEP_ALIVE", "OLLAMA_NOPRUNE", "OLLAMA_CONTEXT_LENGTH", "LLAMA_ARG_FIT"} <= set(_OPTIONS)


def test_the_forecast_is_the_file_and_a_cache_of_f16() -> None:
    facts = from_catalog(service(ENGINE, ONE).models[0].model).facts
    assert facts is not None
    # 36 layers, 8 of 32 heads of 128 elements: keys and values of 2 bytes each.
    assert predicted(facts, 8192) - facts.file_bytes == 2 * 36 * 8 * 128 * 8192 * 2
