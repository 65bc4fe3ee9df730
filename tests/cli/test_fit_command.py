"""`stackgen fit` and `stackgen models`, as somebody calls them."""

import json
from pathlib import Path

import pytest

from tests.support.cli import stackgen


def test_a_table_with_what_to_write(tmp_path: Path) -> None:
    done = stackgen("fit", "qwen3-30b-a3b", "--gpu", "rtx-3090", "--gpu", "rtx-4070-ti", cwd=tmp_path)
    assert done.status == 0, done.err
    assert done.out.startswith("qwen3-30b-a3b on rtx-3090 + rtx-4070-ti\n")
    assert "the first of them: context: 40960" in done.out
    assert all(len(line) <= 100 for line in done.out.splitlines())


def test_json_has_the_same_rows(tmp_path: Path) -> None:
    arguments = ("fit", "qwen3-8b", "--gpu", "24GiB", "--context", "8192", "--format", "json")
    (found,) = json.loads(stackgen(*arguments, cwd=tmp_path).out)["fits"]
    assert (found["context"], found["trained"], found["gpus"]) == (8192, 40960, ["24576MiB"])
    assert found["rows"][0] == {
        "quantization": "BF16",
        "weights": found["rows"][0]["weights"],
        "basis": "catalog",
        "cache_type": "f16",
        "context": 40960,
        "n_cpu_moe": 0,
        "options": "context: 40960",
        "free": found["rows"][0]["free"],
        "ram": found["rows"][0]["ram"],
    }


def test_a_service_of_a_stack() -> None:
    done = stackgen("fit", "llama/qwen3-coder-30b", "stacks/two-3090s")
    assert done.status == 0, done.err
    assert "under services.llama.models.qwen3-coder-30b: context: " in done.out
    assert "and under models.coder, the quantization Q8_0" in done.out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("qwen3-235b-a22b", "--gpu", "3060", "--ram", "64GB"), 1, "nothing fits: the smallest weights"),
        (("nope",), 2, "name your cards: stackgen fit nope --gpu"),
        (("nope", "--gpu", "3090"), 2, "`stackgen models` lists what it knows"),
    ],
)
def test_when_there_is_no_answer(arguments: tuple[str, ...], status: int, said: str, tmp_path: Path) -> None:
    done = stackgen("fit", *arguments, cwd=tmp_path)
    assert done.status == status
    assert said in done.out + done.err


def test_models_of_the_catalog() -> None:
    listed = stackgen("models", "qwen3-3").out.splitlines()
    assert [line.split()[0] for line in listed] == [
        "model",
        "qwen3-30b-a3b",
        "qwen3-30b-a3b-2507",
        "qwen3-32b",
    ]
    assert len(stackgen("models").out.splitlines()) > 100
    refused = stackgen("models", "qwen33")
    assert refused.status == 2
    assert "knows no model like 'qwen33'" in refused.err
