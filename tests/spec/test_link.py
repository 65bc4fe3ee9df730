"""Stack -> LinkedStack. What is wrong, and how it is told, stands in tests/errors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen import registry
from stackgen.domain.diagnostic import Severity, StackError
from stackgen.domain.linked import (
    Bounds,
    Exposure,
    LinkedGpu,
    LinkedStack,
    ModelRequest,
    Publication,
    Reference,
    SecretKey,
)
from stackgen.domain.units import GIB, MIB
from stackgen.report.diagnostics import show
from tests.support.example_stack import EXAMPLE
from tests.support.fake_engine import ENGINES, ChatOptions, ChatUse
from tests.support.reading import findings, linked

HEAD = "version: 1\nname: home\nhosts: {box: {platform: compose, gpus: [rtx-3090, rtx-3090]}}\n"


@pytest.fixture(scope="module")
def example() -> LinkedStack:
    return linked(EXAMPLE)


def test_nothing_is_wrong_with_the_example(example: LinkedStack) -> None:
    assert example.notes == ()
    assert (example.name, example.headroom) == ("vanillax", 512 * MIB)


def test_hosts_have_their_cards(example: LinkedStack) -> None:
    host = example.hosts["gpu-1"]
    assert (host.platform, host.address, host.ram) == ("kubernetes", "192.168.10.20", 400 * GIB)
    first, second, third = host.gpus
    assert first == LinkedGpu(
        index=0, model="rtx-3090", capacity=24124 * MIB, vendor="nvidia", compute_capability=(8, 6)
    )
    assert (second.index, second.reserve) == (1, 2 * GIB)
    assert (third.capacity, third.uuid, third.compute_capability) == (47 * GIB // 2, "GPU-1", None)
    assert example.hosts["pc"].gpus == ()


def test_any_name_of_a_card_becomes_its_name_in_the_table() -> None:
    stack = linked("version: 1\nname: a\nhosts: {b: {platform: compose, gpus: [NVIDIA GeForce RTX 3090]}}\n")
    assert stack.hosts["b"].gpus[0].model == "rtx-3090"


def test_a_card_that_is_not_in_the_table_may_have_a_vendor() -> None:
    cards = "[{capacity: 31GiB}, {model: Radeon W7999, capacity: 31GiB, vendor: amd}]"
    stack = linked(f"version: 1\nname: a\nhosts: {{b: {{platform: compose, gpus: {cards}}}}}\n")
    assert [gpu.vendor for gpu in stack.hosts["b"].gpus] == ["nvidia", "amd"]


def test_models_become_requests(example: LinkedStack) -> None:
    requests = {name: model.request for name, model in example.models.items()}
    assert requests == {
        "nano": ModelRequest(repo="unsloth/Nemotron-3-Nano-30B-A3B-GGUF", quant="UD-Q4_K_XL"),
        "vision": ModelRequest(
            repo="unsloth/Qwen3-VL-30B-A3B-Thinking-GGUF",
            file="Qwen3-VL-30B-A3B-Thinking-Q8_0.gguf",
            mmproj="mmproj-F16.gguf",
            revision="main",
        ),
        "draft": ModelRequest(path="/models/draft.gguf"),
        "image": ModelRequest(
            repo="Comfy-Org/z_image_turbo",
            files=(("diffusion_models", "z_image_turbo_aio_fp8.safetensors"), ("vae", "ae.safetensors")),
        ),
    }
    assert example.models["image"].declared == (12 * GIB, 16 * GIB)


def test_services_have_everything_by_name(example: LinkedStack) -> None:
    llama = example.services["llama"]
    assert llama.host is example.hosts["gpu-1"]
    assert [gpu.index for gpu in llama.gpus] == [0, 1]
    assert llama.options == ChatOptions(parallel=4, cache_type="q8_0", cache_ram="8GiB")  # type: ignore[arg-type]
    assert [use.id for use in llama.models] == ["nano", "vision"]
    assert llama.models[0].model is example.models["nano"]
    assert llama.models[0].options == ChatUse(context=32768, alias=["nano - the small one"], draft="draft")
    assert llama.publish == Publication(port=8080, address="127.0.0.1")
    assert llama.expose == Exposure(hostname="llama.vanillax.me", timeout=1800)
    assert llama.volumes == {"models": "llama-models"}
    assert llama.env == {
        "CUDA_SCALE_LAUNCH_QUEUES": "4x",
        "LOG": "true",
        "LEVEL": "3",
        "HF_TOKEN": SecretKey("hf", "token"),
    }
    assert (llama.ram, llama.declared) == (Bounds(limit=64 * GIB), None)
    assert example.services["comfyui"].publish == Publication(port=8188, address="0.0.0.0")  # noqa: S104
    assert example.services["comfyui"].declared == (12 * GIB, 16 * GIB)


def test_references_are_resolved(example: LinkedStack) -> None:
    assert example.services["chat"].uses == {
        "chat": (Reference("llama"),),
        "search": (Reference("search"),),
        "tasks": (Reference("llama", "nano"),),
    }
    assert example.exclusive == (frozenset({"llama", "comfyui"}),)
    (scenario,) = example.scenarios
    assert scenario.loaded == (Reference("llama", "nano"), Reference("comfyui"))
    assert scenario.expected == "over-budget"
    (measured,) = example.measured
    assert (measured.use, measured.gpus, measured.ram) == (
        Reference("llama", "nano"),
        (20 * GIB, 18 * GIB),
        GIB,
    )


@pytest.mark.parametrize(
    "image",
    [
        "ghcr.io/ggml-org/llama.cpp:server-cuda-b11434",
        "ollama/ollama:0.17.1",
        "localhost:5000/a/b:2026.10.1",
        "yanwk/comfyui-boot:cu130-slim-v2-20260814",
        "nginx:1.29.1-alpine",
        "postgres:17",
        "ghcr.io/berriai/litellm:main-v1.77.3",
        "nginx:nightly-20260814",
        "searxng/searxng:2026.8.1-b7a578431",
        "nginx@sha256:" + "0" * 64,
        "nginx:latest@sha256:" + "0" * 64,
    ],
)
def test_pinned_images_pass(image: str) -> None:
    assert image_findings(image) == []


@pytest.mark.parametrize(
    "image",
    [
        "nginx",
        "nginx:latest",
        "a/b:latest-cu128",
        "a/b:cu128-latest",
        "a/b:main",
        "a/b:nightly",
        "a/b:server",
    ],
)
def test_images_that_move_are_warned_of(image: str) -> None:
    assert image_findings(image) == ["link/unpinned-image"]


@pytest.mark.parametrize(
    "image", ["", "a b", "A/b:1.0", "a:b:c", "https://ghcr.io/a/b:1.0", "a/b@sha256:12", "/a", "a/"]
)
def test_other_texts_are_no_images(image: str) -> None:
    assert image_findings(image) == ["link/image"]


def image_findings(image: str) -> list[str]:
    _, found = findings(f"{HEAD}services: {{a: {{engine: chat-server, host: box, image: {image!r}}}}}\n")
    return [d.kind for d in found]


@pytest.mark.parametrize(
    "source",
    [
        "hf: unsloth/Qwen3-30B-A3B-GGUF:Q4_K_M",
        "hf: unsloth/Qwen3-30B-A3B-GGUF:UD-Q4_K_XL, revision: 0123abc",
        "hf: unsloth/Qwen3-30B-A3B-GGUF, file: BF16/Qwen3-30B-A3B-BF16-00001-of-00002.gguf",
        "hf: turboderp/Llama-3.1-70B-exl3, revision: 4.0bpw",
        "hf: Systran/faster-whisper-large-v3",
        "hf: a/b, files: {vae: split_files/vae/ae.safetensors}",
        "path: /models/a.gguf",
    ],
)
def test_sources_of_models(source: str) -> None:
    _, found = findings(f"{HEAD}models: {{m: {{{source}}}}}\n")
    assert {d.kind for d in found} == {"link/unused-model", "link/unused-host"}


def test_ports_of_different_hosts_and_addresses_do_not_collide() -> None:
    text = """\
version: 1
name: a
hosts: {one: {platform: compose}, two: {platform: compose}}
services:
  a: {engine: tool, host: one, publish: {port: 80, address: 10.0.0.1}}
  b: {engine: tool, host: one, publish: {port: 80, address: 10.0.0.2}}
  c: {engine: tool, host: one, publish: 80}
  d: {engine: tool, host: two, publish: 80}
  e: {engine: tool, host: two, publish: {port: 81, address: 0.0.0.0}}
"""
    assert linked(text).notes == ()


TURNS = """\
  a: {engine: chat-server, host: box, gpus: [0], publish: {port: 80, address: "::"}}
  b: {engine: chat-server, host: box, gpus: [0], publish: {port: 80, address: "0:0::0"}}
"""


def test_services_that_take_turns_may_have_the_same_port() -> None:
    text = f"{HEAD}services:\n{TURNS}"
    _, found = findings(text)
    assert [d.kind for d in found] == ["link/duplicate-port"]
    assert linked(f"{text}exclusive: [[a, b]]\n").services["b"].publish == Publication(port=80, address="::")


def test_services_of_different_hosts_may_use_each_other() -> None:
    text = """\
version: 1
name: a
hosts: {one: {platform: compose}, two: {platform: compose}}
services:
  a: {engine: tool, host: one, uses: {api: b}}
  b: {engine: tool, host: two, uses: {api: [a, c]}}
  c: {engine: tool, host: two, uses: {api: a}}
"""
    assert linked(text).services["b"].uses["api"] == (Reference("a"), Reference("c"))


def test_only_engines_that_a_stack_names_are_looked_up() -> None:
    class Counted(Mapping[str, Any]):
        asked: set[str] = set()

        def __getitem__(self, name: str) -> Any:
            self.asked.add(name)
            return ENGINES[name]

        def __iter__(self) -> Any:
            return iter(ENGINES)

        def __len__(self) -> int:
            return len(ENGINES)

        def __contains__(self, name: object) -> bool:
            return name in ENGINES

    engines = Counted()
    linked(f"{HEAD}services: {{a: {{engine: chat-server, host: box}}}}\n", engines=engines)
    assert engines.asked == {"chat-server"}


def test_unused_things_are_not_told_while_names_are_wrong() -> None:
    _, found = findings(f"{HEAD}models: {{m: {{path: /m}}}}\nservices: {{a: {{engine: tool, host: bx}}}}\n")
    assert [d.kind for d in found] == ["link/unknown-host"]


PIECES = (
    "",
    "x",
    "1",
    "[]",
    "{}",
    "null",
    ": ",
    "*common",
    "'",
    "  ",
    "\n",
    "-1",
    "é",
    "0.5",
    "true",
    "{a: 1}",
)


@st.composite
def changed(draw: st.DrawFn, text: str) -> str:
    """The text with lines dropped, doubled or moved, and pieces of lines replaced."""
    lines = text.splitlines(keepends=True)
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 12)))
        replaced = line[:start] + draw(st.sampled_from(PIECES)) + line[end:]
        lines[index] = draw(st.sampled_from([replaced, replaced, "", line * 2, "  " + line, line.lstrip()]))
    return "".join(lines)


@given(changed(EXAMPLE))
@settings(deadline=None)
def test_no_change_to_the_example_crashes(text: str) -> None:
    source, found = findings(text)
    for diagnostic in found:
        assert diagnostic.message
        assert source.positions.of(diagnostic).line <= len(source.text.split("\n"))


STACKS = sorted((Path(__file__).parent.parent.parent / "stacks").glob("*/stack.yaml"))


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.parent.name)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_no_change_to_a_stack_of_real_engines_crashes(file: Path, data: st.DataObject) -> None:
    text = data.draw(changed(file.read_text("utf-8")))
    source, found = findings(text, engines=registry.engines(), platforms=registry.platforms())
    assert show(found, source, width=80, color=False) or not found


def test_a_wrong_stack_tells_all_errors_and_warnings() -> None:
    with pytest.raises(StackError) as caught:
        linked(f"{HEAD}services: {{a: {{engine: nope, host: box, image: nginx}}}}\n")
    severities = {d.kind: d.severity for d in caught.value.diagnostics}
    assert severities == {"link/unknown-engine": Severity.ERROR, "link/unpinned-image": Severity.WARNING}
