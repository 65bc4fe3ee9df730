"""What runs: the router's arguments, and the presets file that it reads."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from stackgen.domain.linked import LinkedGpu, LinkedService, SecretKey
from stackgen.domain.plan import KnownModel, Plan, Verdict
from stackgen.domain.stack import Volume
from stackgen.domain.workload import Health, Mount, Workload
from stackgen.emit import ini
from stackgen.engines.llama_server import ENGINE
from stackgen.engines.llama_server.lower import presets
from tests.support import engines
from tests.support.planning import stack

SERVICE = """
    image: ghcr.io/ggml-org/llama.cpp:server-cuda-b{build}
    gpus: [0, 1]
    options:
      models_max: auto
      parallel: 1
      ubatch_size: 1024
      cache_type_k: q8_0
      cache_type_v: q8_0
      metrics: true
    models:
      coder:
        model: coder
        hf: unsloth/Qwen3-30B-A3B-GGUF:Q4_K_M
        context: 32768
        alias: ["coder - qwen3", gpt-4]
        load_on_startup: true
      big:
        model: big
        hf: unsloth/Qwen3-30B-A3B-GGUF:Q8_0
        context: 8192
        cpu_moe: true
        metrics: false
        parallel: 4
      tiny:
        model: tiny
        hf: Qwen/Qwen3-0.6B-GGUF:Q8_0
        cache_type_k: f16
        cache_type_v: f16
        device: CUDA1
    volumes: {{models: weights}}
"""
TEXT = """\
[*]
batch-size = 2048
ubatch-size = 1024
kv-unified = false
flash-attn = auto
cache-type-k = q8_0
cache-type-v = q8_0
parallel = 1
n-gpu-layers = all
fit = off
metrics = true

[coder]
model = /models/unsloth/Qwen3-30B-A3B-GGUF/Qwen3-30B-A3B-Q4_K_M.gguf
alias = coder - qwen3, gpt-4
load-on-startup = true
ctx-size = 32768
tensor-split = 24576,24576

[big]
model = /models/unsloth/Qwen3-30B-A3B-GGUF/Qwen3-30B-A3B-Q8_0.gguf
ctx-size = 8192
parallel = 4
cpu-moe = true
tensor-split = 24576,24576
metrics = false

[tiny]
model = /models/Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf
cache-type-k = f16
cache-type-v = f16
device = CUDA1
"""


def service(build: int = 11434) -> LinkedService:
    return engines.service(ENGINE, SERVICE.format(build=build))


def text(linked: LinkedService, known: dict[str, KnownModel] | None = None, folder: str | None = None) -> str:
    sections = presets(linked, known or engines.known(linked), PurePosixPath(folder) if folder else None)
    return ini.dump(sections)


def workload(linked: LinkedService) -> Workload:
    return engines.lower(ENGINE, linked)


def test_presets() -> None:
    # `tiny` has but one device, so shares are no common default.
    assert text(service()) == TEXT


def test_presets_do_not_depend_on_the_order_of_options() -> None:
    shuffled = service()
    options = replace(shuffled.options, values=dict(reversed(shuffled.options.values.items())))
    assert text(replace(shuffled, options=options)) == TEXT


def test_what_runs() -> None:
    linked = service()
    made = workload(linked)
    assert made.image == "ghcr.io/ggml-org/llama.cpp:server-cuda-b11434"
    assert made.args == ("--models-preset", "/config/presets.ini", "--models-max", "3")
    assert made.env == {
        "LLAMA_ARG_HOST": "0.0.0.0",  # noqa: S104
        "LLAMA_ARG_PORT": "8080",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    assert made.mounts == (Mount(volume="weights", target=PurePosixPath("/models"), read_only=True),)
    assert made.health == Health(port=8080, path="/health", tool="curl")
    assert [(file.target, file.body) for file in made.config_files] == [
        (PurePosixPath("/config/presets.ini"), presets(linked, engines.known(linked)))
    ]
    assert made.gpus == linked.gpus
    assert made.read_only_root
    assert made.stop_grace == 30


def test_env_of_the_user_and_the_key() -> None:
    linked = engines.service(
        ENGINE,
        """
        image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
        options: {api_key: {secret: {name: llama, key: api-key}}}
        env: {CUDA_SCALE_LAUNCH_QUEUES: 4x}
        """,
    )
    env = workload(linked).env
    assert env["LLAMA_API_KEY"] == SecretKey("llama", "api-key")
    assert env["CUDA_SCALE_LAUNCH_QUEUES"] == "4x"
    assert "CUDA_DEVICE_ORDER" not in env


@pytest.mark.parametrize(
    ("vendor", "image"),
    [("nvidia", "server-cuda"), ("amd", "server-rocm"), ("intel", "server-vulkan"), (None, "server")],
)
def test_the_image_for_those_who_name_none(vendor: str | None, image: str) -> None:
    cards = () if vendor is None else (LinkedGpu(index=0, model="card", capacity=1, vendor=vendor),)
    made = workload(replace(engines.service(ENGINE, ""), gpus=cards))
    assert made.image == f"ghcr.io/ggml-org/llama.cpp:{image}-b11434"


def test_a_model_that_leaves_placement_to_fit_inherits_none() -> None:
    linked = engines.service(
        ENGINE,
        """
        image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
        gpus: [0, 1]
        options: {parallel: 1}
        models: {a: {model: a, fit: on}, b: {model: b}}
        """,
    )
    sections = presets(linked, {})
    assert "n-gpu-layers" not in {**sections["*"], **sections["a"]}
    assert sections["b"]["n-gpu-layers"] == "all"


def test_an_older_build_gets_its_own_spellings() -> None:
    linked = engines.service(
        ENGINE,
        """
        image: ghcr.io/ggml-org/llama.cpp:server-cuda-b8006
        gpus: [0]
        options: {parallel: 1, mmap: false, temperature: 0.7, spec_draft_type_k: q8_0}
        models: {it: {model: a, draft: small}}
        """,
    )
    known = engines.known(linked)
    lines = text(linked, {**known, "small": replace(known["a"], file="small.gguf")}).splitlines()
    assert {
        "mmap = false",
        "temp = 0.7",
        "cache-type-k-draft = q8_0",
        "model-draft = /models/small.gguf",
    } <= set(lines)


def test_the_router_beats_what_it_was_found_with() -> None:
    linked = engines.service(
        ENGINE,
        """
        image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
        gpus: [0]
        options: {command_line: ["-c", "4096"], parallel: 1}
        models: {it: {model: a, context: 8192}}
        """,
    )
    assert workload(linked).args[-2:] == ("-c", "4096")
    assert "ctx-size" not in text(linked)


def test_fit_is_left_to_decide() -> None:
    linked = engines.service(
        ENGINE,
        """
        image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
        gpus: [0, 1]
        options: {fit: on, parallel: 1}
        models: {it: {model: a}}
        """,
    )
    made = text(linked)
    assert "fit = on" in made
    assert "n-gpu-layers" not in made
    assert "tensor-split" not in made


def test_without_gpus_nothing_is_offloaded() -> None:
    linked = engines.service(ENGINE, "models: {it: {model: a}}")
    assert "n-gpu-layers = 0" in text(linked)


def test_slots_are_written_out_even_when_nobody_asks() -> None:
    made = text(engines.service(ENGINE, "models: {it: {model: a}}"))
    assert "parallel = 4" in made
    assert "kv-unified = true" in made


def test_projector() -> None:
    linked = service()
    known = engines.known(linked)
    seeing = {**known, "tiny": replace(known["tiny"], mmproj_file="Qwen/x/mmproj.gguf")}
    assert "mmproj = /models/Qwen/x/mmproj.gguf" in text(linked, seeing)


@pytest.mark.parametrize(
    ("file", "below"),
    [
        ("/srv/models/a/b.gguf", "/models/a/b.gguf"),
        ("a/b.gguf", "/models/a/b.gguf"),
        ("/else/b.gguf", "/else/b.gguf"),
    ],
)
def test_files_as_the_program_sees_them(file: str, below: str) -> None:
    linked = service()
    known = engines.known(linked)
    moved = {**known, "tiny": replace(known["tiny"], file=file)}
    assert f"model = {below}\n" in text(linked, moved, "/srv/models")


def test_the_folder_of_a_volume_is_known_when_it_has_a_path() -> None:
    linked = service()
    known = engines.known(linked)
    moved = {**known, "tiny": replace(known["tiny"], file="/srv/models/b.gguf")}
    planned = replace(engines.planned(ENGINE, linked), known=moved)
    plan = Plan(
        stack=stack([engines.BOX], [linked], volumes={"weights": Volume(path="/srv/models")}),
        verdict=Verdict.FITS,
    )
    (file,) = ENGINE.lower(planned, plan).config_files
    assert file.body["tiny"]["model"] == "/models/b.gguf"


def test_locked_memory_and_time_to_stop() -> None:
    linked = engines.service(
        ENGINE,
        """
        image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
        options: {load_mode: mmap+mlock, stop_timeout: 1m}
        models: {it: {model: a}}
        """,
    )
    made = workload(linked)
    assert made.lock_memory
    assert made.stop_grace == 80
