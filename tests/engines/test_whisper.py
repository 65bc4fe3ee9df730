"""Whisper: models by alias, memory by declaration."""

from dataclasses import replace

import pytest

from stackgen.domain.interface import Api, Task
from stackgen.domain.linked import SecretKey
from stackgen.domain.units import GIB
from stackgen.engines.whisper import ENGINE
from tests.support.engines import found, kinds, lower, planned, service

LARGE = "whisper-1: {model: large, hf: Systran/faster-whisper-large-v3, vram: {low: 3GiB, high: 5GiB}}"
GPU = f"{{gpus: [0], volumes: {{cache: c}}, models: {{{LARGE}}}}}"


def test_ids_are_aliases_of_repositories() -> None:
    run = lower(ENGINE, service(ENGINE, GPU))
    (aliases,) = run.config_files
    assert str(aliases.target) == "/home/ubuntu/speaches/model_aliases.json"
    assert aliases.body == {"whisper-1": "Systran/faster-whisper-large-v3"}
    assert run.env["PRELOAD_MODELS"] == '["Systran/faster-whisper-large-v3"]'
    assert run.env["WHISPER__INFERENCE_DEVICE"] == "cuda"
    assert run.image.endswith("-cuda")


def test_on_the_cpu_it_has_another_image() -> None:
    run = lower(ENGINE, service(ENGINE, GPU.replace("gpus: [0], ", "")))
    assert run.image.endswith("-cpu")
    assert run.env["WHISPER__INFERENCE_DEVICE"] == "cpu"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("keep_alive: forever", {"STT_MODEL_TTL": "-1"}),
        ("keep_alive: 10m", {"STT_MODEL_TTL": "600"}),
        ("compute_type: int8_float16", {"WHISPER__COMPUTE_TYPE": "int8_float16"}),
        ("api_key: {secret: {name: speech, key: k}}", {"API_KEY": SecretKey("speech", "k")}),
        ("enable_ui: true", {"ENABLE_UI": "true"}),
    ],
)
def test_options_are_variables(options: str, expected: dict[str, object]) -> None:
    usual = lower(ENGINE, service(ENGINE, GPU)).env
    env = lower(ENGINE, service(ENGINE, GPU.replace("{gpus", f"{{options: {{{options}}}, gpus"))).env
    assert {name: value for name, value in env.items() if usual.get(name) != value} == expected


def test_all_its_models_count_at_once() -> None:
    two = GPU.replace("models: {", "models: {tiny: {model: tiny, hf: a/b, vram: {low: 1GiB, high: 1GiB}}, ")
    demand = ENGINE.demand(service(ENGINE, two), {})
    assert sum(r.gpus[0].high for r in demand.residents) == 6 * GIB
    assert demand.limit == ENGINE.demand(service(ENGINE, GPU), {}).limit


def test_what_it_cannot_do() -> None:
    linked = service(ENGINE, GPU)
    assert kinds(ENGINE, linked) == []
    assert kinds(ENGINE, service(ENGINE, GPU.replace("volumes: {cache: c}, ", ""))) == ["whisper/no-cache"]
    text = GPU.replace("gpus: [0]", "options: {compute_type: float16}").replace(
        ", vram: {low: 3GiB, high: 5GiB}", ""
    )
    assert kinds(ENGINE, service(ENGINE, text)) == ["whisper/compute-type"]
    local = linked.models[0].model._replace(
        request=linked.models[0].model.request._replace(repo=None, path="/m")
    )
    elsewhere = replace(linked, models=(linked.models[0]._replace(model=local),))
    assert found(ENGINE, elsewhere, "whisper/model-source").path == ("models", "large")


def test_others_learn_its_models() -> None:
    offered = ENGINE.interface(planned(ENGINE, service(ENGINE, GPU)))
    assert offered.apis == {Api.OPENAI: "/v1"}
    assert [(m.id, m.task) for m in offered.models] == [("whisper-1", Task.TRANSCRIPTION)]
