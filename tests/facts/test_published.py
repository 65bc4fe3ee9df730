"""Weights as they were published: sizes of repositories as the hub lists them, to 3 %."""

import pytest

from stackgen.domain.linked import LinkedModel, ModelRequest
from stackgen.facts.known import from_catalog
from stackgen.facts.published import stored


@pytest.mark.parametrize(
    ("repo", "gigabytes"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", 141.1),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", 236.4),
        ("openai/gpt-oss-120b", 65.2),
        ("moonshotai/Kimi-K2-Instruct", 1029),
        ("Qwen/Qwen3-0.6B", 1.5),
    ],
)
def test_sizes(repo: str, gigabytes: float) -> None:
    known = from_catalog(LinkedModel("it", ModelRequest(repo=repo)))
    assert known.facts is not None
    assert known.facts.format == "safetensors"
    size = known.facts.weight_bytes
    if repo == "Qwen/Qwen3-0.6B":
        # The repository stores the shared embedding a second time, as the output.
        size += known.facts.by_name["token_embd.weight"].size
    assert size / 1e9 == pytest.approx(gigabytes, rel=0.03)


@pytest.mark.parametrize("repo", ["somebody/unheard-of", "Qwen/Qwen3-8B-GGUF"])
def test_what_nobody_knows_stays_unknown(repo: str) -> None:
    assert from_catalog(LinkedModel("it", ModelRequest(repo=repo))).facts is None


@pytest.mark.parametrize(
    ("name", "shape", "label"),
    [
        ("owner/It-FP8-dynamic", "it", "FP8"),
        ("owner/It-MXFP4", "it", "MXFP4"),
        ("owner/It-NVFP4", "it", "NVFP4"),
        ("owner/It-AWQ", "it", "INT4"),
        ("owner/DeepSeek-V3.1", "deepseek-v3", "FP8"),
        ("owner/DeepSeek-V3.1-AWQ", "deepseek-v3", "INT4"),
        ("awq/It", "it", "BF16"),
    ],
)
def test_how_a_repository_stores_its_weights(name: str, shape: str, label: str) -> None:
    assert stored(name, shape).label == label
