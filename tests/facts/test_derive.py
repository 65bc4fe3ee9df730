"""Facts from headers: what is in the keys, what only the tensors tell, what neither does."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Basis
from stackgen.domain.header import GgufHeader, MetaValue, SkippedArray, TensorInfo
from stackgen.facts.derive import derive, fold
from stackgen.facts.keys import FactsError
from stackgen.io.local import read_gguf
from tests.support.oracle import TESTS, facts_of

HEADERS = sorted(path.stem for path in (TESTS / "headers").glob("*.gguf"))


def header(metadata: Mapping[str, MetaValue], *tensors: TensorInfo) -> GgufHeader:
    """A header of two blocks, as small as it gets."""
    base: dict[str, MetaValue] = {
        "general.architecture": "llama",
        "llama.block_count": 2,
        "llama.embedding_length": 64,
        "llama.attention.head_count": 4,
    }
    return GgufHeader(metadata=base | dict(metadata), tensors=tensors)


@pytest.mark.parametrize("name", HEADERS)
def test_counts_agree_with_the_index(name: str) -> None:
    import json

    index = json.loads((TESTS / "headers" / "index.json").read_text())[name]
    facts = facts_of(name)
    assert facts.architecture == index["arch"]
    assert facts.parameter_count == index["params"]
    assert facts.file_bytes == index["file_bytes"]
    assert sum(len(x.weights) for x in facts.layers) + len(facts.weights) == index["tensors"]
    assert facts.vocab_size > 0
    assert facts.basis is Basis.EXACT


@pytest.mark.parametrize("name", HEADERS)
def test_every_architecture_of_the_oracle_is_checked(name: str) -> None:
    assert "checked" in facts_of(name).traits


def test_basis_is_the_callers() -> None:
    source = read_gguf(TESTS / "headers" / "smollm3-3b.gguf")
    assert derive(source, basis=Basis.CATALOG).basis is Basis.CATALOG


def test_vocabulary_size() -> None:
    rows = TensorInfo("token_embd.weight", (64, 300), 0)
    tokens = SkippedArray(8, 100)
    assert derive(header({"tokenizer.ggml.tokens": tokens, "llama.vocab_size": 200}, rows)).vocab_size == 100
    assert derive(header({"llama.vocab_size": 200}, rows)).vocab_size == 200
    assert derive(header({}, rows)).vocab_size == 300


def test_head_lengths_default_to_an_equal_share() -> None:
    attention = derive(header({})).layers[0].attention
    assert attention is not None
    assert (attention.heads, attention.heads_kv, attention.key_length, attention.value_length) == (
        4,
        4,
        16,
        16,
    )


def test_heads_per_layer() -> None:
    facts = derive(header({"llama.attention.head_count_kv": (0, 2)}))
    assert facts.layers[0].attention is None
    assert facts.layers[1].attention is not None
    assert facts.layers[1].attention.heads_kv == 2


def windows(facts: ModelFacts) -> str:
    """One letter a layer: w(indow), f(ull), - (no attention)."""
    return "".join("-" if x.attention is None else "w" if x.attention.window else "f" for x in facts.layers)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("gemma-2-27b", "wfwf"),
        ("gemma-3-27b", "wwwwwfwwwwwf"),
        ("gpt-oss-20b", "wfwf"),
        ("command-r7b", "wwwfwwwf"),
        ("llama-4-scout", "wwwfwwwf"),
        ("gemma-4-31b", "wwwwwf"),
        ("exaone-4-32b", "wwwf"),
        ("phi-3-mini", "ffff"),
        ("qwen3-coder-next-80b-a3b", "---f---f"),
    ],
)
def test_window_patterns(name: str, start: str) -> None:
    assert windows(facts_of(name)).startswith(start)


def test_a_list_in_the_file_wins_over_the_period() -> None:
    source = read_gguf(TESTS / "headers" / "gemma-3-27b.gguf")
    n_layer = facts_of("gemma-3-27b").n_layer
    listed = dict(source.metadata) | {
        "gemma3.attention.sliding_window_pattern": (False, *[True] * (n_layer - 1))
    }
    assert windows(derive(replace(source, metadata=listed))) == "f" + "w" * (n_layer - 1)


def test_equal_layers_are_one_object_and_fold() -> None:
    facts = facts_of("llama-3.1-8b-f16")
    assert len({id(layer) for layer in facts.layers}) == 1
    assert [count for count, _ in fold(facts.layers)] == [32]
    assert len(set(facts_of("llama-3.1-8b").kinds)) == 1  # Q4_K_M stores some layers otherwise
    assert len({id(layer) for layer in facts_of("llama-3.1-8b").layers}) > 1


def test_prediction_blocks() -> None:
    facts = facts_of("qwen3.5-27b")
    assert (facts.n_layer, facts.n_trunk, facts.n_layer_nextn) == (65, 64, 1)
    last = facts.layers[-1].attention
    assert last is not None
    assert not last.cached


def test_what_cannot_be_derived() -> None:
    with pytest.raises(FactsError, match="block_count"):
        derive(GgufHeader(metadata={"general.architecture": "llama"}, tensors=()))
    with pytest.raises(FactsError, match="architecture"):
        derive(GgufHeader(metadata={}, tensors=()))
    with pytest.raises(FactsError, match="type 99"):
        derive(header({}, TensorInfo("output.weight", (64, 2), 99)))
