"""From repository names to rows of the catalog."""

from math import prod
from time import perf_counter

import pytest

from stackgen.data import load_toml
from stackgen.domain.footprint import Basis
from stackgen.facts import catalog
from stackgen.facts.derive import derive
from stackgen.facts.layouts import tensors
from stackgen.facts.shapes import Shape

SHAPES = {shape.name: shape for shape in catalog.shapes()}

REPOS = {
    "unsloth/Nemotron-3-Nano-30B-A3B-GGUF": "nemotron-3-nano-30b-a3b",
    "ggml-org/Nemotron-Nano-3-30B-A3B-GGUF": "nemotron-3-nano-30b-a3b",
    "unsloth/Qwen3-Coder-Next-GGUF": "qwen3-coder-next",
    "unsloth/Qwen3-Next-80B-A3B-Instruct-GGUF": "qwen3-next-80b-a3b",
    "unsloth/Qwen3-VL-30B-A3B-Thinking-GGUF": "qwen3-vl-30b-a3b",
    "Qwen/Qwen3-VL-30B-A3B-Instruct-GGUF": "qwen3-vl-30b-a3b",
    "unsloth/Qwen3.5-397B-A17B-GGUF": "qwen3.5-397b-a17b",
    "bartowski/Qwen_Qwen3.5-27B-GGUF": "qwen3.5-27b",
    "unsloth/Qwen3.6-27B-MTP-GGUF": "qwen3.5-27b-mtp",
    "unsloth/Qwen3.6-35B-A3B-GGUF": "qwen3.5-35b-a3b",
    "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF": "llama-3.1-8b",
    "meta-llama/Llama-3.1-70B-Instruct": "llama-3.1-70b",
    "unsloth/Llama-3.3-70B-Instruct-GGUF": "llama-3.3-70b",
    "turboderp/Llama-3.1-70B-Instruct-exl2": "llama-3.1-70b",
    "turboderp/Llama-3.2-1B-exl3": "llama-3.2-1b",
    "hugging-quants/Llama-3.2-3B-Instruct-Q8_0-GGUF": None,
    "bartowski/Llama-3.2-3B-Instruct-GGUF": "llama-3.2-3b",
    "Dracones/Midnight-Miqu-70B-v1.5_exl2_2.5bpw": "midnight-miqu-70b",
    "mradermacher/Midnight-Miqu-70B-v1.5-i1-GGUF": "midnight-miqu-70b",
    "Qwen/Qwen2.5-14B-Instruct-GGUF": "qwen2.5-14b",
    "bartowski/Qwen2.5-Coder-32B-Instruct-GGUF": "qwen2.5-32b",
    "Qwen/QwQ-32B-GGUF": "qwq-32b",
    "Qwen/Qwen3-4B-GGUF": "qwen3-4b",
    "unsloth/Qwen3-4B-Instruct-2507-GGUF": "qwen3-4b-2507",
    "Qwen/Qwen3-8B-GGUF": "qwen3-8b",
    "bartowski/Qwen_Qwen3-14B-GGUF": "qwen3-14b",
    "unsloth/Qwen3-32B-GGUF": "qwen3-32b",
    "unsloth/Qwen3-30B-A3B-GGUF": "qwen3-30b-a3b",
    "unsloth/Qwen3-30B-A3B-Instruct-2507-GGUF": "qwen3-30b-a3b-2507",
    "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF": "qwen3-30b-a3b-2507",
    "unsloth/Qwen3-235B-A22B-GGUF": "qwen3-235b-a22b",
    "Qwen/Qwen3-Embedding-0.6B-GGUF": "qwen3-embedding-0.6b",
    "ggml-org/gpt-oss-20b-GGUF": "gpt-oss-20b",
    "unsloth/gpt-oss-120b-GGUF": "gpt-oss-120b",
    "google/gemma-3-27b-it-qat-q4_0-gguf": "gemma-3-27b",
    "unsloth/gemma-3-4b-it-GGUF": "gemma-3-4b",
    "unsloth/gemma-4-26B-A4B-it-GGUF": "gemma-4-26b-a4b",
    "ggml-org/gemma-3n-E4B-it-GGUF": "gemma-3n-e4b",
    "unsloth/Mistral-Small-3.2-24B-Instruct-2506-GGUF": "mistral-small-24b",
    "bartowski/mistralai_Mistral-Small-3.1-24B-Instruct-2503-GGUF": "mistral-small-24b",
    "unsloth/Devstral-Small-2507-GGUF": "mistral-small-24b",
    "bartowski/Mistral-Nemo-Instruct-2407-GGUF": "mistral-nemo",
    "bartowski/Mistral-7B-Instruct-v0.3-GGUF": "mistral-7b",
    "unsloth/GLM-4.5-Air-GGUF": "glm-4.5-air",
    "unsloth/GLM-4.7-Flash-GGUF": "glm-4.7-flash",
    "unsloth/DeepSeek-R1-0528-GGUF": "deepseek-v3",
    "unsloth/DeepSeek-R1-0528-Qwen3-8B-GGUF": "deepseek-r1-0528-qwen3-8b",
    "bartowski/DeepSeek-R1-Distill-Llama-70B-GGUF": "llama-3.3-70b",
    "bartowski/DeepSeek-R1-Distill-Qwen-14B-GGUF": "deepseek-r1-distill-qwen-14b",
    "nomic-ai/nomic-embed-text-v1.5-GGUF": "nomic-embed-text-v1.5",
    "gpustack/bge-m3-GGUF": "bge-m3",
    "unsloth/phi-4-GGUF": "phi-4",
    "huihui-ai/Qwen3-14B-abliterated": "qwen3-14b",
    # Same words, another model; or a trained context that differs; or nothing that is known.
    "unsloth/Qwen3-8B-128K-GGUF": None,
    "bartowski/Qwen2.5-7B-Instruct-1M-GGUF": None,
    "somebody/Qwen3-30B-A3B-Merged-With-Things-GGUF": None,
    "unsloth/Qwen3-30B-GGUF": None,
    "unsloth/Qwen3-VL-GGUF": None,
    "bartowski/gemma-3-27b-it-and-more-GGUF": None,
    "Comfy-Org/z_image_turbo": None,
    "openai/whisper-large-v3": None,
    "llama": None,
    "": None,
    "/": None,
    "unsloth/-GGUF": None,
}


@pytest.mark.parametrize(("repo", "name"), REPOS.items(), ids=str)
def test_repository_names(repo: str, name: str | None) -> None:
    shape = catalog.find(repo)
    assert (shape and shape.name) == name
    assert (catalog.lookup(repo, "Q8_0") is None) == (name is None)


def test_names_are_unique_and_found_in_the_file_that_the_index_names() -> None:
    names = [
        name
        for file in load_toml("catalog/index")["files"]
        for family in load_toml(f"catalog/{file}")["family"]
        for row, values in family["models"].items()
        for name in (row, *values.get("names", ()))
    ]
    assert len(names) == len(set(names))
    assert [name for name in names if catalog.find(name) is None] == []


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_rows_say_where_they_come_from(shape: Shape) -> None:
    assert shape.source.endswith((" config.json", " params.json"))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_tensors_add_up_to_the_published_number_of_parameters(shape: Shape) -> None:
    if shape.name == "qwen3.5-35b-a3b-mtp":
        # Not published alone: the model, and a prediction block with 256 experts.
        assert shape.parameters == ""
        return
    digits = shape.parameters.removesuffix("B")
    published, places = float(digits), len(digits.partition(".")[2])
    count = sum(prod(t.shape) for t in tensors(shape)) / 1e9
    assert count == pytest.approx(published, abs=0.51 * 10**-places)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_facts_can_be_derived_from_every_row(shape: Shape) -> None:
    hit = catalog.by_name(shape.name)
    assert hit is not None
    facts = derive(hit.header, basis=Basis.CATALOG)
    assert facts.n_layer == shape.n_layer
    assert facts.vocab_size == shape.n_vocab
    assert facts.weight_bytes <= hit.header.file_bytes < facts.weight_bytes + 32 * len(hit.header.tensors)
    attention = sum(layer.attention is not None for layer in facts.layers)
    assert attention == sum(kind in "ASB" for kind in shape.kinds()) or shape.extra == "bert"


SPELLINGS = {
    "q4_k_m": "Q4_K_M",
    "Q4-K-M": "Q4_K_M",
    "Q4_K": "Q4_K_M",
    "fp16": "F16",
    "ud_q4_k_xl": "UD-Q4_K_XL",
    "UD-Q4_K_XL": "UD-Q4_K_XL",
    "UD-IQ3_XXS": "UD-IQ3_XXS",
    "MXFP4_MOE": "MXFP4",
    "Q4_K_L": "Q4_K_L",
    "UD-Q4_K_XXL": None,
    "Q4_K_XL": None,
    "Q7_K": None,
    "4.0bpw": None,
    "": None,
}


@pytest.mark.parametrize(("written", "name"), SPELLINGS.items())
def test_quantization_names(written: str, name: str | None) -> None:
    assert catalog.canonical(written) == name
    if written:
        hit = catalog.lookup("Qwen/Qwen3-8B-GGUF", written)
        assert (hit and hit.quant) == name


def test_every_listed_quantization_is_known() -> None:
    assert [q for q in catalog.quantizations() if catalog.canonical(q) != q] == []


def test_a_model_has_a_quantization_of_its_own_when_none_is_named() -> None:
    oss, llama = catalog.by_name("gpt-oss-20b"), catalog.lookup("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF")
    assert oss is not None and llama is not None
    assert (oss.quant, llama.quant) == ("MXFP4", "Q4_K_M")


def test_experts_that_are_published_quantized_stay_so() -> None:
    hit = catalog.by_name("gpt-oss-20b", "F16")
    assert hit is not None
    assert {t.type_id for t in hit.header.tensors if t.name.endswith("_exps.weight")} == {39}
    assert next(t.type_id for t in hit.header.tensors if t.name == "output.weight") == 1


HINTS = {
    ("unsloth/Qwen3-30B-A2B-GGUF", "Q4_K_M"): "did you mean `qwen3-30b-a3b`?",
    ("unsloth/Qwen3-30B-A3B-GGUF", "Q4_K_MM"): "did you mean `Q4_K_M`?",
    ("unsloth/Qwen3-30B-A3B-GGUF", "ud-q4_k_x"): "did you mean `UD-Q4_K_XL`?",
    ("somebody/entirely-else", "Q4_K_M"): None,
}


@pytest.mark.parametrize(("asked", "hint"), HINTS.items())
def test_hints(asked: tuple[str, str], hint: str | None) -> None:
    assert catalog.nearest(*asked) == hint


def test_projectors() -> None:
    repo = "unsloth/Qwen3-VL-30B-A3B-Thinking-GGUF"
    low, high = catalog.projector(repo, "mmproj-F16.gguf") or (0, 0)
    assert low < 1_080_000_000 < high
    assert catalog.projector(repo, "mmproj-BF16.gguf") == (low, high)
    assert catalog.projector(repo, "mmproj-F32.gguf") == (low * 2, high * 2)
    assert (catalog.projector(repo, "mmproj-Q8_0.gguf") or (0, 0))[1] < low
    assert catalog.projector("unsloth/Qwen3-8B-GGUF", "mmproj-F16.gguf") is None
    assert catalog.projector("somebody/else", "mmproj-F16.gguf") is None


def test_publishers_are_told_apart() -> None:
    """Files made with an importance matrix have other types in the first eighth of ffn_down."""
    static, weighted = (catalog.lookup(f"{owner}/Qwen3-8B-GGUF", "Q4_0") for owner in ("Qwen", "bartowski"))
    assert static is not None and weighted is not None
    assert static.header.file_bytes < weighted.header.file_bytes
    assert (
        static.spread_percent,
        (catalog.lookup("unsloth/Qwen3-8B-GGUF", "Q4_0") or static).spread_percent,
    ) == (1, 4)


def test_a_thousand_tensors_take_milliseconds() -> None:
    catalog.by_name("qwen3-235b-a22b")
    best = min(_seconds() for _ in range(5))
    assert best < 0.05, "10 ms is the aim; five times that is a mistake, not a slow machine"


def _seconds() -> float:
    start = perf_counter()
    hit = catalog.by_name("qwen3-235b-a22b", "Q4_K_M")
    assert hit is not None and len(hit.header.tensors) > 1000
    return perf_counter() - start
