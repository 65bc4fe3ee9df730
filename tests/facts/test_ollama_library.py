"""Names of Ollama's library lead to the catalog, in the sizes that the library shows."""

import pytest

from stackgen.data import load_toml
from stackgen.facts.library import SPREAD_PERCENT, lookup

TAGS = [
    (f"{name}:{size}", float(gigabytes))
    for name, row in load_toml("ollama_library").items()
    for size, (_, gigabytes) in row["sizes"].items()
]


@pytest.mark.parametrize(("text", "gigabytes"), TAGS, ids=[text for text, _ in TAGS])
def test_a_tag_is_as_large_as_the_library_says(text: str, gigabytes: float) -> None:
    hit = lookup(text)
    assert hit is not None
    # Sizes are shown with two digits, and rounded.
    shown = 10 ** (len(str(int(gigabytes))) - 2) if gigabytes >= 1 else 0.001
    size = hit.header.file_bytes / 1e9
    assert abs(size - gigabytes) <= shown / 2 + size * max(SPREAD_PERCENT, hit.spread_percent) / 100


@pytest.mark.parametrize(
    ("text", "name", "quant"),
    [
        ("llama3.2", "llama-3.2-3b", "Q4_K_M"),
        ("library/llama3.2:latest", "llama-3.2-3b", "Q4_K_M"),
        ("llama3.2:1b", "llama-3.2-1b", "Q8_0"),
        ("qwen2.5:7b-instruct-q8_0", "qwen2.5-7b", "Q8_0"),
        ("qwen3:8b-fp16", "qwen3-8b", "F16"),
        ("gemma2:2b-instruct-q4_K_M", "gemma-2-2b", "Q4_K_M"),
    ],
)
def test_a_tag_may_name_its_quantization(text: str, name: str, quant: str) -> None:
    hit = lookup(text)
    assert hit is not None
    assert (hit.name, hit.quant) == (name, quant)


@pytest.mark.parametrize(
    "text", ["me/llama3.2:3b", "llama3.2:7b", "qwen3:4b-thinking-2507-q4_K_M", "gpt-oss:20b"]
)
def test_what_is_not_in_the_table_is_not_guessed(text: str) -> None:
    assert lookup(text) is None


def test_a_row_of_the_catalog_may_be_named_for_any_tag() -> None:
    hit = lookup("me/mine:8b-q6_K", "llama-3.1-8b")
    assert hit is not None
    assert (hit.name, hit.quant) == ("llama-3.1-8b", "Q6_K")
