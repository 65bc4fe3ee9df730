"""ComfyUI: one model at a time in declared memory, and the image's own way to take arguments."""

from pathlib import PurePosixPath
from typing import Any

import pytest

from stackgen.domain.stack import Service
from stackgen.domain.units import GIB
from stackgen.domain.workload import Mount
from stackgen.engines.comfyui import ENGINE, FOLDERS
from tests.support.engines import found, kinds, lower, service

TWO = """
gpus: [1]
models:
  turbo: {model: z-image-turbo, vram: {low: 12GiB, high: 16GiB}}
  edit: {model: qwen-image-edit, vram: {low: 10GiB, high: 12GiB}}
"""


def test_one_model_at_a_time() -> None:
    demand = ENGINE.demand(service(ENGINE, TWO), {})
    assert demand.limit == 1
    assert {r.label: (r.gpus[1].low, r.gpus[1].high) for r in demand.residents} == {
        "it/turbo": (12 * GIB, 16 * GIB),
        "it/edit": (10 * GIB, 12 * GIB),
    }


def test_the_service_declares_for_models_that_do_not() -> None:
    linked = service(ENGINE, "{gpus: [0], vram: {low: 1GiB, high: 2GiB}, models: {a: {model: a}}}")
    assert kinds(ENGINE, linked) == []
    assert [r.gpus[0].high for r in ENGINE.demand(linked, {}).residents] == [2 * GIB]


def test_parts_are_fetched_and_need_no_memory_of_their_own() -> None:
    linked = service(
        ENGINE, "{models: {a: {model: a, vram: {low: 1GiB, high: 2GiB}, parts: [b]}}, gpus: [0]}"
    )
    demand = ENGINE.demand(linked, {})
    assert demand.further_models == ("b",)
    assert [r.label for r in demand.residents] == ["it/a"]
    unknown = found(ENGINE, linked, "engine/unknown-part")
    assert unknown.path == ("services", "it", "models", "a", "parts", 0)


def test_a_model_without_declared_memory_has_no_verdict() -> None:
    linked = service(ENGINE, "{gpus: [0], models: {a: {model: a}}}")
    assert ENGINE.demand(linked, {}).unknown
    assert found(ENGINE, linked, "engine/undeclared-memory").path == ("services", "it", "models", "a")


def test_only_one_gpu_is_used() -> None:
    linked = service(ENGINE, "{gpus: [0, 1], vram: {low: 1GiB, high: 2GiB}}")
    assert kinds(ENGINE, linked) == ["comfyui/one-gpu"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "--listen 0.0.0.0 --port 8188 --cpu"),
        (
            "{gpus: [0], vram: {low: 1GiB, high: 2GiB}, options: {reserve_vram: 1536MiB, args: [--fast]}}",
            "--listen 0.0.0.0 --port 8188 --reserve-vram 1.5 --fast",
        ),
    ],
)
def test_arguments_are_one_variable(text: str, expected: str) -> None:
    run = lower(ENGINE, service(ENGINE, text))
    assert run.env == {"CLI_ARGS": expected}
    assert run.args == ()


@pytest.mark.parametrize("argument", ["--port=1", "--listen", "--cpu", "--reserve-vram", "two words", ""])
def test_arguments_that_would_break_the_others_are_refused(argument: str) -> None:
    options: dict[str, Any] = {"args": ["--fast", argument]}
    raw = Service(engine="comfyui", host="box", options=options)
    (only,) = ENGINE.options(raw, ("services", "it")).diagnostics
    assert only.path == ("services", "it", "options", "args", 1)


def test_it_is_root_in_a_file_system_of_its_own() -> None:
    run = lower(ENGINE, service(ENGINE, "volumes: {output: pictures, models: weights}"))
    assert not run.read_only_root
    assert run.user is None
    assert run.mounts == (
        Mount(volume="weights", target=PurePosixPath("/root/ComfyUI/models")),
        Mount(volume="pictures", target=PurePosixPath("/root/ComfyUI/output")),
    )


def test_every_volume_has_a_folder() -> None:
    assert ENGINE.volume_roles is not None
    assert ENGINE.volume_roles.keys() == FOLDERS.keys()
