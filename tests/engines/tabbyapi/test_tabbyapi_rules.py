"""Every rule of TabbyAPI: what sets it off, and what does not."""

from dataclasses import replace
from typing import Any

import pytest

from stackgen.engines.tabbyapi import ENGINE
from tests.support.engines import found, kinds, service

CLEAN = """
gpus: [0, 1]
image: example.org/tabbyapi:1
volumes: {models: weights}
options: {api_key: {secret: {name: tabby, key: api-key}}}
models: {m: {model: m, hf: o/Some-Model-exl3, vram: {low: 1GiB, high: 2GiB}}}
"""


def changed(old: str, new: str, text: str = CLEAN) -> Any:
    assert old in text
    return service(ENGINE, text.replace(old, new))


def options(text: str) -> Any:
    return changed("options: {", f"options: {{{text}, ")


def test_nothing_is_wrong_with_the_sample() -> None:
    assert kinds(ENGINE, service(ENGINE, CLEAN)) == []


CASES = {
    "tabbyapi/no-key": ("{api_key: {secret: {name: tabby, key: api-key}}}", "{log_prompt: true}"),
    "tabbyapi/no-models-volume": ("volumes: {models: weights}", "ram: 8GiB"),
    "tabbyapi/no-gpu": ("gpus: [0, 1]", "gpus: []"),
    "tabbyapi/image-moves": ("image: example.org/tabbyapi:1", "ram: 8GiB"),
    "tabbyapi/gguf": ("hf: o/Some-Model-exl3", "hf: 'o/Some-Model-GGUF:Q4_K_M'"),
    "tabbyapi/exl2-removed": ("hf: o/Some-Model-exl3", "hf: o/Some-Model-exl2"),
    "tabbyapi/no-model": (CLEAN.splitlines()[-1], ""),
}


@pytest.mark.parametrize("kind", CASES)
def test_one_change_sets_off_one_rule(kind: str) -> None:
    old, new = CASES[kind]
    assert kinds(ENGINE, changed(old, new)) == [kind]


def test_variables_that_set_options_and_that_are_overwritten() -> None:
    text = CLEAN + "env: {TABBY_MODEL_CACHE_SIZE: 4096, PYTORCH_CUDA_ALLOC_CONF: 'expandable_segments:True'}"
    assert kinds(ENGINE, service(ENGINE, text)) == ["tabbyapi/env-option", "tabbyapi/allocator-overruled"]
    kept = service(ENGINE, text.replace("options: {", "options: {cuda_malloc_async: false, "))
    assert kinds(ENGINE, kept) == ["tabbyapi/env-option"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("disable_auth: true", None),
        ("disable_auth: true}, publish: 5000, env: {A: b", None),
        ("disable_auth: true}, publish: {port: 5000, address: 0.0.0.0}, env: {A: b", "open"),
        ("disable_auth: true}, expose: {hostname: a.b}, env: {A: b", "open"),
        ("log_prompt: true}, publish: {port: 5000, address: 0.0.0.0}, env: {A: b", "no-key"),
    ],
)
def test_without_keys_it_belongs_on_loopback(text: str, kind: str | None) -> None:
    flow = (
        f"{{gpus: [0], image: 'e.org/t:1', volumes: {{models: w}}, options: {{{text}}}, "
        "models: {m: {model: m, hf: o/m-exl3}}}"
    )
    expected = {"open": ["tabbyapi/open-to-network"], "no-key": ["tabbyapi/no-key"], None: []}[kind]
    assert kinds(ENGINE, service(ENGINE, flow)) == expected


def test_exl2_stays_with_the_old_backend_and_an_image_that_has_it() -> None:
    exl2 = CLEAN.replace("-exl3", "-exl2").replace("options: {", "options: {backend: exllamav2, ")
    assert kinds(ENGINE, service(ENGINE, exl2)) == []
    assert "tabbyapi/backend-removed" in kinds(ENGINE, changed("image: example.org/tabbyapi:1", "", exl2))
    assert kinds(ENGINE, options("backend: exllamav2")) == ["tabbyapi/wrong-backend"]


def test_an_image_and_an_installation_contradict_each_other() -> None:
    native = "native: {folder: /opt/tabbyapi, python: /opt/tabbyapi/venv/bin/python}"
    assert kinds(ENGINE, options(native)) == ["tabbyapi/native-and-image"]


@pytest.mark.parametrize(("vendor", "capability"), [("amd", None), ("nvidia", (7, 5))])
def test_gpus_that_exllamav3_cannot_use(vendor: str, capability: tuple[int, int] | None) -> None:
    linked = service(ENGINE, CLEAN)
    other = replace(linked.gpus[1], vendor=vendor, compute_capability=capability)
    only = found(ENGINE, replace(linked, gpus=(linked.gpus[0], other)), "tabbyapi/unsupported-gpu")
    assert only.path == ("services", "it", "gpus", 1)


@pytest.mark.parametrize(
    ("text", "kind", "index"),
    [
        ("gpu_split: [22GiB, 22GiB]", None, None),
        ("gpu_split: [22GiB, 24GiB]", "tabbyapi/split-headroom", 1),
        ("gpu_split: [22GiB]", "tabbyapi/split-length", None),
        ("gpu_split: [22GiB, 22GiB, 8GiB]", "tabbyapi/split-length", None),
        ("autosplit_reserve: [1GiB]", None, None),
        ("autosplit_reserve: [1GiB, 1GiB, 1GiB]", "tabbyapi/split-length", None),
    ],
)
def test_a_split_has_a_figure_for_each_gpu_and_leaves_room(
    text: str, kind: str | None, index: int | None
) -> None:
    linked = options(text)
    assert kinds(ENGINE, linked) == ([kind] if kind else [])
    if kind and index is not None:
        assert found(ENGINE, linked, kind).path[-1] == index


@pytest.mark.parametrize(
    "text",
    [
        "gpu_split: [22GiB, 22GiB], gpu_split_auto: true",
        "gpu_split: [22GiB, 22GiB], autosplit_reserve: [96MiB]",
        "tensor_parallel: true, autosplit_reserve: [96MiB]",
        "tensor_parallel_backend: nccl",
        "tensor_parallel: true, cpu_moe_offload_layers: 4",
    ],
)
def test_one_way_to_split_rules_out_the_others(text: str) -> None:
    assert kinds(ENGINE, options(text)) == ["tabbyapi/without-effect"]


def test_one_gpu_is_not_split() -> None:
    text = CLEAN.replace("[0, 1]", "[0]").replace("options: {", "options: {tensor_parallel: true, ")
    assert kinds(ENGINE, service(ENGINE, text)) == ["tabbyapi/without-effect"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("max_seq_len: 32768, cache_size: 8192", "tabbyapi/cache-too-small"),
        ("cache_mode: FP8", "tabbyapi/cache-mode"),
        ("draft_model: {model: nobody}", "tabbyapi/unknown-draft"),
    ],
)
def test_caches_and_drafts(text: str, kind: str) -> None:
    assert kinds(ENGINE, options(text)) == [kind]


def test_pairs_of_bits_came_with_exllamav3() -> None:
    old = CLEAN.replace("-exl3", "-exl2").replace(
        "options: {", "options: {backend: exllamav2, cache_mode: '8,4', "
    )
    assert kinds(ENGINE, service(ENGINE, old)) == ["tabbyapi/cache-mode"]


def test_later_models_have_no_options_of_their_own() -> None:
    text = CLEAN + "  "
    two = text.replace("models: {m:", "models: {first: {model: f, hf: o/First-exl3}, m:").replace(
        "vram:", "cache_mode: Q4, vram:"
    )
    only = found(ENGINE, service(ENGINE, two), "tabbyapi/later-model")
    assert only.path == ("services", "it", "models", "m", "cache_mode")


def test_inline_loading_knows_folders() -> None:
    assert found(ENGINE, options("inline_model_loading: true"), "tabbyapi/inline-id").hint == (
        "call it Some-Model-exl3"
    )
    named = CLEAN.replace("{m: {", "{Some-Model-exl3: {").replace(
        "options: {", "options: {inline_model_loading: true, "
    )
    assert kinds(ENGINE, service(ENGINE, named)) == []


def test_a_context_beyond_the_trained_one() -> None:
    text = CLEAN.replace(
        "o/Some-Model-exl3, vram: {low: 1GiB, high: 2GiB}", "t/Qwen3-8B-exl3-4.0bpw, max_seq_len: %s"
    )
    beyond = service(ENGINE, text % 65536)
    assert kinds(ENGINE, beyond) == ["tabbyapi/beyond-training"]
    assert found(ENGINE, beyond, "tabbyapi/beyond-training").path[-1] == "max_seq_len"
    stretched = text.replace("options: {", "options: {rope_alpha: auto, ") % 65536
    assert kinds(ENGINE, service(ENGINE, stretched)) == []
