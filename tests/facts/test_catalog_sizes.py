"""Catalog and recipes against the sizes of published files: what is left over is the file's own header."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from stackgen.data import load_toml
from stackgen.facts import catalog, dynamic

FILES = tomllib.loads((Path(__file__).parents[1] / "data" / "published_sizes.toml").read_text("utf-8"))[
    "repo"
]
MB = 1000**2

# Made before llama.cpp counted attn_qkv as attn_v, or with a tensor type of the publisher's own choice.
OTHER_RECIPES = {
    ("microsoft/phi-4-gguf", q)
    for q in ("IQ3_S", "IQ3_XS", "IQ3_XXS", "IQ4_NL", "IQ4_XS", "Q2_K", "Q3_K_L", "Q4_K_S")
} | {
    ("nomic-ai/nomic-embed-text-v1.5-GGUF", "Q4_K_M"),
    ("unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF", "IQ4_XS"),
    ("unsloth/Qwen3-32B-GGUF", "IQ4_XS"),
    ("unsloth/Qwen3-Coder-Next-GGUF", "Q3_K_S"),
    ("unsloth/Qwen3-Coder-Next-GGUF", "Q3_K_M"),
}
PUBLISHED: dict[str, dict[str, int]] = load_toml("catalog/dynamic")["published"]


def left_over(repo: str, quant: str, size: int) -> int:
    hit = catalog.lookup(repo, quant)
    assert hit is not None
    return size - hit.header.file_bytes


@pytest.mark.parametrize("entry", FILES, ids=lambda entry: entry["repo"])
def test_files_are_the_tensors_and_one_header(entry: dict[str, Any]) -> None:
    repo = entry["repo"]
    rest = {q: left_over(repo, q, n) for q, n in entry["files"].items() if (repo, q) not in OTHER_RECIPES}
    assert all(0 < n < 14 * MB for n in rest.values()), rest
    # All files of a repository have the same tokenizer, and little else in their headers.
    assert not rest or max(rest.values()) - min(rest.values()) < 0.05 * MB, rest


@pytest.mark.parametrize(("repo", "quant"), sorted(OTHER_RECIPES))
def test_other_recipes_stay_within_their_spread(repo: str, quant: str) -> None:
    size = next(entry["files"][quant] for entry in FILES if entry["repo"] == repo)
    hit = catalog.lookup(repo, quant)
    assert hit is not None
    assert abs(size - hit.header.file_bytes) * 100 < (hit.spread_percent * size)


@pytest.mark.parametrize("repo", PUBLISHED)
def test_dynamic_quantizations_are_moved_to_known_sizes(repo: str) -> None:
    for quant, size in PUBLISHED[repo].items():
        hit = catalog.lookup(repo, quant)
        assert hit is not None
        assert hit.quant == quant
        assert abs(hit.header.file_bytes - size) * 100 < hit.spread_percent * size, quant


@pytest.mark.parametrize("repo", PUBLISHED)
def test_without_a_known_size_they_stay_within_their_spread(repo: str) -> None:
    shape = catalog.find(repo)
    assert shape is not None
    for quant, size in PUBLISHED[repo].items():
        hit = catalog.synthesise(shape, quant)
        assert hit is not None
        assert abs(hit.header.file_bytes - size) * 100 < hit.spread_percent * size, quant
        assert dynamic.published("somebody/else", quant) is None
