"""The catalog's headers against headers of the same models that were written to a converted file's layout."""

from math import isclose
from pathlib import Path

import pytest

from stackgen.domain.header import GgufHeader, MetaValue, SkippedArray
from stackgen.facts import catalog
from stackgen.formats.gguf import parse_header

HEADERS = Path(__file__).parents[1] / "headers"

# Headers under another name than the catalog's row.
ROWS = {
    "exaone-4-32b": "exaone-4.0-32b",
    "llama-3.1-8b-f16": "llama-3.1-8b",
    "qwen3-235b-a22b": "qwen3-235b-a22b-2507",
    "qwen3-30b-a3b": "qwen3-30b-a3b-2507",
    "qwen3-coder-next-80b-a3b": "qwen3-coder-next",
    "qwen3.5-27b": "qwen3.5-27b-mtp",
}
# Made in the manner of dynamic quantizations, which nobody but their publisher can repeat.
DYNAMIC = {
    "deepseek-v3",
    "gemma-4-26b-a4b",
    "llama-4-scout",
    "minimax-m2",
    "mistral-small-24b",
    "qwen3-235b-a22b",
    "qwen3-30b-a3b",
    "qwen3.5-397b-a17b",
}
QUANTS = {
    1: "F16",
    2: "Q4_0",
    7: "Q8_0",
    14: "Q4_K_S",
    15: "Q4_K_M",
    17: "Q5_K_M",
    18: "Q6_K",
    30: "IQ4_XS",
    38: "MXFP4",
}
NAMES = sorted(path.stem for path in HEADERS.glob("*.gguf"))


def real(name: str) -> GgufHeader:
    return parse_header((HEADERS / f"{name}.gguf").read_bytes())


def synthetic(name: str, quant: str) -> GgufHeader:
    hit = catalog.by_name(ROWS.get(name, name), quant)
    assert hit is not None
    return hit.header


def keys(header: GgufHeader) -> dict[str, MetaValue]:
    """The architecture's metadata; a list of one value many times is that value."""
    prefix = header.architecture + "."
    own = {k: v for k, v in header.metadata.items() if k.startswith(prefix) and not k.endswith(".vocab_size")}
    return {k: v[0] if isinstance(v, tuple) and len(set(v)) == 1 else v for k, v in own.items()}


def same(one: MetaValue, other: MetaValue) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return isclose(one, other, rel_tol=1e-6)
    return one == other


def test_there_are_44_headers() -> None:
    assert len(NAMES) == 44


@pytest.mark.parametrize("name", NAMES)
def test_tensors_have_the_same_names_and_shapes(name: str) -> None:
    expected, found = real(name), synthetic(name, "Q4_K_M")
    assert {t.name: t.shape for t in found.tensors} == {t.name: t.shape for t in expected.tensors}


@pytest.mark.parametrize("name", sorted(set(NAMES) - DYNAMIC))
def test_tensors_have_the_same_types(name: str) -> None:
    expected = real(name)
    file_type = expected.metadata["general.file_type"]
    assert isinstance(file_type, int)
    found = synthetic(name, QUANTS[file_type])
    assert {t.name: t.type_id for t in found.tensors} == {t.name: t.type_id for t in expected.tensors}
    assert found.file_bytes == expected.file_bytes - expected.header_bytes


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_the_same(name: str) -> None:
    expected, found = keys(real(name)), keys(synthetic(name, "Q4_K_M"))
    assert found.keys() == expected.keys()
    assert {k: (found[k], v) for k, v in expected.items() if not same(found[k], v)} == {}


@pytest.mark.parametrize("name", NAMES)
def test_vocabulary_is_the_same(name: str) -> None:
    header = real(name)
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    stated = header.metadata.get(f"{header.architecture}.vocab_size")
    expected = tokens.length if isinstance(tokens, SkippedArray) else stated
    assert synthetic(name, "Q4_K_M").metadata[f"{header.architecture}.vocab_size"] == expected
