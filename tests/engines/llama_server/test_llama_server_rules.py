"""Each rule: a stack that breaks it, what is said, and where."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from stackgen.domain.diagnostic import Diagnostic, Severity
from stackgen.domain.footprint import Basis, Memory, TermName, exact
from stackgen.domain.linked import LinkedService, ModelRequest
from stackgen.domain.plan import KnownModel
from stackgen.engines.llama_server import ENGINE
from stackgen.engines.llama_server.rules import MODEL_RULES, SERVICE_RULES
from tests.support import engines

QWEN = "Qwen/Qwen3-8B-GGUF:Q8_0"
CODER = "unsloth/Qwen3-Coder-Next-GGUF:UD-Q3_K_XL"
GEMMA = "ggml-org/gemma-3-12b-it-GGUF:Q4_K_M"
KIMI = "unsloth/DeepSeek-V3-GGUF:Q4_K_M"
MOE = "unsloth/Qwen3-30B-A3B-GGUF:Q4_K_M"


def service(
    options: str = "", model: str = "", *, hf: str = QWEN, build: int = 11434, more: str = ""
) -> LinkedService:
    """One model `it` on two GPUs, with nothing to complain of but what is asked for."""
    text = f"""
        image: ghcr.io/ggml-org/llama.cpp:server-cuda-b{build}
        gpus: [0, 1]
        options: {{parallel: 1, {options}}}
        models: {{it: {{model: weights, hf: "{hf}", {model}}}}}
        volumes: {{models: weights}}
        {more}
    """
    nvidia = tuple(replace(gpu, compute_capability=(8, 6)) for gpu in engines.BOX.gpus)
    linked = engines.service(ENGINE, text)
    return replace(linked, gpus=nvidia if linked.gpus else ())


def check(linked: LinkedService, known: Mapping[str, KnownModel] | None = None) -> dict[str, Diagnostic]:
    """What is found, by kind."""
    found = list(ENGINE.check(linked, engines.known(linked) if known is None else known))
    assert len({(d.kind, d.path) for d in found}) == len(found)
    return {d.kind.removeprefix("llama-server/"): d for d in found}


def only(linked: LinkedService, kind: str, known: Mapping[str, KnownModel] | None = None) -> Diagnostic:
    found = check(linked, known)
    assert list(found) == [kind], found
    return found[kind]


OPTIONS = ("services", "it", "options")
ENTRY = ("services", "it", "models", "it")


def test_nothing_to_complain_of() -> None:
    assert check(service("cache_type_k: q8_0, cache_type_v: q8_0", "context: 8192")) == {}


@pytest.mark.parametrize(
    "pair", ["cache_type_k: q8_0, cache_type_v: q4_0", "cache_type_k: q5_1, cache_type_v: q5_1"]
)
def test_cache_types_on_cpu(pair: str) -> None:
    found = check(service(pair + ", flash_attn: on", "context: 8192", build=10867))["cache-types-on-cpu"]
    assert found.severity is Severity.ERROR
    assert "on the CPU without a word, 25 to 45 times slower" in found.message
    assert found.path == (*OPTIONS, "cache_type_v")


def test_cache_types_on_cpu_with_auto_do_not_start() -> None:
    found = check(service("", "context: 8192, cache_type_k: q8_0, cache_type_v: q4_0", build=8006))
    assert "fails to load" in found["cache-types-on-cpu"].message
    assert found["cache-types-on-cpu"].path == (*ENTRY, "cache_type_v")


@pytest.mark.parametrize("build", [10878, 11434])
def test_cache_types_converted(build: int) -> None:
    found = only(
        service("cache_type_k: q8_0, cache_type_v: q4_0", "context: 8192", build=build),
        "cache-types-converted",
    )
    assert found.severity is Severity.WARNING


@pytest.mark.parametrize(
    "options",
    [
        "cache_type_k: q8_0, cache_type_v: q4_0, fa_all_quants: true",
        "cache_type_k: q8_0, cache_type_v: q4_0, backend: vulkan",
        "cache_type_k: bf16, cache_type_v: bf16",
        "cache_type_k: q8_0, cache_type_v: f16, flash_attn: off",
    ],
)
def test_cache_types_that_are_fine(options: str) -> None:
    found = check(service(options, "context: 8192", build=10867))
    assert not found.keys() - {"vulkan-on-nvidia"}


def test_cache_type_without_kernel() -> None:
    linked = service("cache_type_k: iq4_nl, cache_type_v: iq4_nl", "context: 8192")
    assert only(linked, "cache-type-without-kernel").severity is Severity.ERROR


def test_quantized_v_without_flash_attention() -> None:
    found = only(
        service("flash_attn: off, cache_type_k: q8_0, cache_type_v: q8_0", "context: 8192"),
        "quantized-v-without-flash-attention",
    )
    assert found.path == (*OPTIONS, "flash_attn")


def test_mixed_cache_types_mla() -> None:
    found = check(service("cache_type_k: q8_0", "context: 8192", hf=KIMI))["mixed-cache-types-mla"]
    assert found.hint == "write `cache_type_v: q8_0`; it takes no memory here"


def known_as(linked: LinkedService, **changes: Any) -> dict[str, KnownModel]:
    """The catalog's knowledge with the facts of the model changed."""
    known = engines.known(linked)
    facts = known["weights"].facts
    assert facts is not None
    return {**known, "weights": replace(known["weights"], facts=replace(facts, **changes))}


def test_head_size_without_flash_attention() -> None:
    linked = service("cache_type_k: q8_0, cache_type_v: q8_0", "context: 8192")
    facts = engines.known(linked)["weights"].facts
    assert facts is not None
    attention = facts.layers[0].attention
    assert attention is not None
    odd = tuple(
        replace(x, attention=replace(attention, key_length=160, value_length=160)) for x in facts.layers
    )
    found = only(linked, "head-size-without-flash-attention", known_as(linked, layers=odd))
    assert found.severity is Severity.ERROR
    assert "heads of 160/160" in found.message


def test_cache_conversion_buffer() -> None:
    found = only(
        service("cache_type_k: q8_0, cache_type_v: q8_0", "context: 262144", hf=CODER),
        "cache-conversion-buffer",
    )
    assert found.severity is Severity.NOTE
    assert "512 MiB" in found.message


def test_context_beyond_training() -> None:
    found = only(service("", "context: 65536"), "context-beyond-training")
    assert "trained on 40960 tokens" in found.message
    assert found.path == (*ENTRY, "context")
    assert check(service("", "context: 65536, rope_scaling: yarn, yarn_orig_ctx: 32768")) == {}
    assert "context-beyond-training" not in check(service("", "context: 65536, parallel: 2"))


def test_context_per_slot() -> None:
    found = only(service("parallel: 4", "context: 32768"), "context-per-slot")
    assert "8192 of the 32768 tokens" in found.message
    assert check(service("parallel: 4, kv_unified: true", "context: 32768")) == {}


def test_sharing_overruled() -> None:
    linked = service("parallel: -1, kv_unified: false", "context: 8192")
    assert only(linked, "sharing-overruled").hint == "write `parallel: 4`"


def test_default_slots() -> None:
    linked = engines.service(
        ENGINE,
        f"""
        image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
        gpus: [0]
        models: {{it: {{model: weights, hf: "{QWEN}", context: 8192}}}}
        volumes: {{models: weights}}
        """,
    )
    assert only(linked, "default-slots").severity is Severity.NOTE


def test_state_per_slot() -> None:
    found = check(service("parallel: 4, kv_unified: true", "context: 8192", hf=CODER))["state-per-slot"]
    assert "75 MiB of recurrent state per slot, 302 MiB for 4" in found.message


def test_full_windows() -> None:
    found = only(service("swa_full: true", "context: 8192", hf=GEMMA), "full-windows")
    assert "40 of 48 layers" in found.message
    assert "does nothing" in only(service("swa_full: true", "context: 8192"), "full-windows").message


def test_embedding_batch() -> None:
    found = only(service("", "context: 8192, embeddings: true"), "embedding-batch")
    assert "more than 512 tokens" in found.message
    assert check(service("", "context: 8192, embeddings: true, ubatch_size: 8192, batch_size: 8192")) == {}


def test_embeddings_off() -> None:
    found = check(service("", "context: 8192", hf="Qwen/Qwen3-Embedding-0.6B-GGUF:Q8_0"))
    assert found["embeddings-off"].hint == "add `embeddings: true`"
    rerank = check(service("", "context: 8192", hf="gpustack/bge-reranker-v2-m3-GGUF:Q8_0"))
    assert rerank["embeddings-off"].hint == "add `reranking: true`"


def test_fit() -> None:
    found = only(service("fit: on, n_gpu_layers: 20", "context: 8192"), "fit-without-effect")
    assert "`n_gpu_layers`" in found.message
    assert only(service("fit: on", "context: 8192"), "fit-moves-layers").path == (*OPTIONS, "fit")


def test_two_load_modes() -> None:
    linked = service("load_mode: none, mlock: true", "context: 8192", build=10434)
    assert only(linked, "two-load-modes").path == (*OPTIONS, "mlock")


def test_experts_unchecked() -> None:
    found = only(service("", "context: 8192, cpu_moe: true", hf=MOE), "experts-unchecked")
    assert "GiB of main memory" in found.message
    linked = service("", "context: 8192, cpu_moe: true", hf=MOE)
    assert check(replace(linked, host=replace(linked.host, ram=64 * 1024**3))) == {}


@pytest.mark.parametrize(
    ("options", "cpus", "there"),
    [
        ("device: none", "cpus: 4", None),
        ("device: none", "cpus: {request: 1, limit: 4}", 16),
        ("n_gpu_layers: 20", "cpus: 4", None),
        ("threads: 8", "cpus: 4", None),
        ("threads: 5", "cpus: 4500m", None),
    ],
)
def test_threads_that_wait_for_each_other(options: str, cpus: str, there: int | None) -> None:
    linked = service(options, "context: 8192", more=cpus)
    linked = replace(linked, host=replace(linked.host, ram=64 * 1024**3, cpus=there and there * 1000))
    found = check(linked)["throttled"]
    assert found.severity is Severity.WARNING
    assert found.hint == "threads: 4"


@pytest.mark.parametrize(
    ("options", "cpus", "there"),
    [
        ("", "cpus: 4", None),
        ("n_gpu_layers: 99", "cpus: 4", None),
        ("device: none, threads: 4", "cpus: 4", None),
        ("device: none", "cpus: 4", 4),
        ("device: none", "cpus: {request: 4}", None),
        ("device: none", "", None),
    ],
)
def test_threads_that_may_all_run(options: str, cpus: str, there: int | None) -> None:
    linked = service(options, "context: 8192", more=cpus)
    linked = replace(linked, host=replace(linked.host, ram=64 * 1024**3, cpus=there and there * 1000))
    assert "throttled" not in check(linked)


def test_file_unknown() -> None:
    linked = service("", "context: 8192")
    nothing = KnownModel(request=ModelRequest(repo="a/b"), facts=None, basis=Basis.CATALOG)
    assert only(linked, "file-unknown", {"weights": nothing}).path == ("models", "weights")


def test_unknown_device() -> None:
    assert only(service("device: [CUDA2]", "context: 8192"), "unknown-device").path == (*OPTIONS, "device")
    assert check(service("device: CUDA1", "context: 8192")) == {}


def test_no_projector() -> None:
    linked = service("", "context: 8192", hf="unsloth/Qwen3-VL-30B-A3B-Thinking-GGUF:Q8_0")
    assert only(linked, "no-projector").path == ("models", "weights")


def test_projector_not_counted() -> None:
    linked = service("", "context: 8192")
    known = {
        "weights": replace(engines.known(linked)["weights"], mmproj_file="o/r/mmproj.gguf", mmproj=Memory())
    }
    assert only(linked, "projector-not-counted", known).hint == "`stackgen lock` finds out"
    counted = replace(known["weights"], mmproj=Memory((exact(TermName.MMPROJ, 1),)))
    assert check(linked, {"weights": counted}) == {}


def two(first: str = "", second: str = "", options: str = "", build: int = 11434) -> LinkedService:
    text = f"""
        image: ghcr.io/ggml-org/llama.cpp:server-cuda-b{build}
        gpus: [0]
        options: {{parallel: 1, {options}}}
        models:
          a: {{model: a, hf: "{QWEN}", context: 8192, {first}}}
          b: {{model: b, hf: "{QWEN}", context: 8192, {second}}}
        volumes: {{models: weights}}
    """
    return engines.service(ENGINE, text)


@pytest.mark.parametrize(
    "pair", [('alias: ["x"]', 'alias: ["x"]'), ('alias: ["b"]', ""), ('alias: ["c", "c"]', "")]
)
def test_alias_clash(pair: tuple[str, str]) -> None:
    found = only(two(*pair), "alias-clash")
    assert found.severity is Severity.ERROR
    assert found.related[0][1] == "taken here"


def test_alias_without_effect() -> None:
    linked = two('alias: ["coder - new"]', build=8006)
    found = check(linked)["alias-without-effect"]
    assert found.path == ("services", "it", "models", "a", "alias", 0)
    assert found.hint == "use a build after b8156, or let clients ask for `a`"


@pytest.mark.parametrize("alias", ["a, b", "a;b", " a"])
def test_alias_spelling(alias: str) -> None:
    assert only(two(f'alias: ["{alias}"]'), "alias-spelling").severity is Severity.ERROR


def test_command_line_beats_presets() -> None:
    found = only(
        two("ubatch_size: 256", options='command_line: ["-ub", "1024"]'), "command-line-beats-presets"
    )
    assert found.path == (*OPTIONS, "command_line", 0)
    assert "whatever `ubatch_size` says for `a`" in found.message
    assert found.hint == "move it to `options`, as `ubatch_size: 1024`, where models can differ"


def test_each_flag_of_a_command_line_is_found() -> None:
    line = 'command_line: ["-b", "4096", "--parallel", "1", "--no-mmap", "-c", "65536"]'
    linked = two(options=line, build=8006)
    found = [d for d in ENGINE.check(linked, engines.known(linked)) if "command-line" in d.kind]
    assert [d.path[-1] for d in found] == [0, 2, 4, 5]
    assert "as `mmap: false`" in (found[2].hint or "")


def test_a_model_on_the_command_line() -> None:
    found = only(two(options='command_line: ["--models-max", "8"]'), "reserved-option")
    assert found.hint == "write `models_max` among the options of the service"


def test_env_option() -> None:
    found = only(replace(two(), env={"LLAMA_ARG_N_PARALLEL": "8", "HF_TOKEN": "x", "A": "b"}), "env-option")
    assert (found.path, found.hint) == (
        ("services", "it", "env", "LLAMA_ARG_N_PARALLEL"),
        "write `parallel` under `options`",
    )


def test_startup_limit() -> None:
    pair = ("load_on_startup: true", "load_on_startup: true")
    assert only(two(*pair, options="models_max: 1"), "startup-limit").hint is not None
    assert check(two(*pair, options="models_max: 2")) == {}


def test_unlimited_with_startup() -> None:
    linked = two("load_on_startup: true", options="models_max: 0")
    assert only(linked, "unlimited-with-startup").hint == "write `models_max: 2`"


def test_router_on_gpu() -> None:
    assert only(two(build=9444), "router-on-gpu").severity is Severity.WARNING
    assert check(two(build=9702)) == {}


def test_no_models_volume() -> None:
    assert only(replace(two(), volumes={}), "no-models-volume").path == ("services", "it")


def drafted(
    draft: KnownModel | None, model: str = "draft: small"
) -> tuple[LinkedService, dict[str, KnownModel]]:
    linked = service("", f"context: 8192, {model}")
    return linked, {**engines.known(linked), **({"small": draft} if draft else {})}


def test_unknown_draft() -> None:
    linked, known = drafted(None)
    assert only(linked, "unknown-draft", known).path == (*ENTRY, "draft")


def test_draft_not_counted() -> None:
    nothing = KnownModel(request=ModelRequest(repo="a/b"), facts=None, basis=Basis.CATALOG, file="a.gguf")
    linked, known = drafted(nothing)
    assert only(linked, "draft-not-counted", known).severity is Severity.WARNING


def test_draft_vocabulary() -> None:
    other = engines.known(service("", "", hf=GEMMA))["weights"]
    linked, known = drafted(other)
    assert only(linked, "draft-vocabulary", known).severity is Severity.ERROR
    same = engines.known(service("", "", hf="Qwen/Qwen3-0.6B-GGUF:Q8_0"))["weights"]
    assert same.facts is not None
    linked, known = drafted(same)
    assert check(linked, known) == {}


def test_no_draft() -> None:
    assert only(service("", "context: 8192, spec_type: draft-eagle3"), "no-draft").path == (
        *ENTRY,
        "spec_type",
    )


def test_no_prediction_blocks() -> None:
    linked = service("", "context: 8192, spec_type: draft-mtp")
    assert only(linked, "no-prediction-blocks").hint == "leave `spec_type` out"


def test_rules_have_names_of_their_own() -> None:
    rules = [*SERVICE_RULES, *MODEL_RULES]
    assert len({rule.__name__ for rule in rules}) == len(rules)


AMD = replace(engines.BOX.gpus[0], vendor="amd", compute_capability=None)


def with_image(tag: str, *, gpus: bool = True, amd: bool = False) -> LinkedService:
    linked = engines.service(
        ENGINE,
        f"""
        image: "ghcr.io/ggml-org/llama.cpp:{tag}"
        gpus: {[0, 1] if gpus else []}
        options: {{parallel: 1, build: 11434}}
        models: {{it: {{model: weights, hf: "{QWEN}"}}}}
        volumes: {{models: weights}}
        """,
    )
    return replace(linked, gpus=(AMD,) if amd else linked.gpus)


@pytest.mark.parametrize(
    ("tag", "amd", "right"),
    [
        ("server-b11434", False, "server-cuda-b11434"),
        ("server", False, "server-cuda-b11434"),
        ("server-rocm-b11434", False, "server-cuda-b11434"),
        ("server-b11434", True, "server-rocm-b11434"),
        ("server-cuda-b11434", True, "server-rocm-b11434"),
    ],
)
def test_an_image_for_other_gpus(tag: str, right: str, *, amd: bool) -> None:
    found = only(with_image(tag, amd=amd), "image-for-other-gpu")
    assert found.severity is Severity.ERROR
    assert found.path == ("services", "it", "image")
    assert found.hint == f"write image: ghcr.io/ggml-org/llama.cpp:{right}"
    assert not check(with_image(right, amd=amd))


def test_a_stated_backend_is_where_the_finding_points() -> None:
    linked = with_image("server-cuda-b11434")
    custom = replace(linked, image="mine:1.0", options=replace(linked.options, backend="cpu"))
    assert only(custom, "image-for-other-gpu").path == (*OPTIONS, "backend")


def test_images_that_do_not_tell_or_have_no_gpu_are_left_alone() -> None:
    assert not check(with_image("server-b11434", gpus=False))
    linked = with_image("server-cuda-b11434")
    assert not check(replace(linked, image="mine:1.0", options=replace(linked.options, backend=None)))
    vulkan = replace(with_image("server-vulkan-b11434"), gpus=(AMD,))
    assert not check(vulkan)


def test_vulkan_on_nvidia_is_slower() -> None:
    found = only(with_image("server-vulkan-b11434"), "vulkan-on-nvidia")
    assert found.severity is Severity.WARNING
    assert found.hint == "write image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434"


@pytest.mark.parametrize("tag", ["full-cuda-b11434", "full-b11434", "light-cuda-b11434", "full"])
def test_images_whose_entry_point_is_another_program(tag: str) -> None:
    found = only(with_image(tag), "image-without-server")
    assert found.hint == "write image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434"
    alone = only(with_image("full-b11434", gpus=False), "image-without-server")
    assert alone.hint == "write image: ghcr.io/ggml-org/llama.cpp:server-b11434"
