"""YAML that every reader of the field takes for the same tree."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from ruamel.yaml import YAML

from stackgen.domain.document import YamlStream
from stackgen.emit import EmitError, yaml
from stackgen.emit.tree import MAX_DEPTH
from tests.support import hostile
from tests.support.programs import require


def read_by_all(text: str) -> list[Any]:
    """What YAML 1.1 (two readers) and YAML 1.2 make of a text."""
    return [
        pyyaml.safe_load(text),
        pyyaml.load(text, Loader=pyyaml.CSafeLoader),
        YAML(typ="safe", pure=True).load(text),
    ]


def assert_reads_back(tree: Any) -> None:
    text = yaml.dump(tree)
    for back in read_by_all(text):
        # By repr: 1, 1.0 and True are equal, and the order of keys counts.
        assert repr(back) == repr(tree), text


@given(hostile.trees())
@settings(max_examples=150, deadline=None)
def test_trees_read_back(tree: Any) -> None:
    assert_reads_back(tree)


@given(hostile.texts)
@settings(max_examples=12, deadline=None)
def test_texts_read_back_as_values_keys_and_items(texts: list[str]) -> None:
    assert_reads_back({"values": {f"k{i}": text for i, text in enumerate(texts)}, "list": texts})
    assert_reads_back(dict.fromkeys(texts, "x"))


@pytest.mark.parametrize("text", hostile.LOOKALIKES)
def test_lookalikes_read_back_alone(text: str) -> None:
    assert_reads_back(text)


def test_every_odd_character_reads_back() -> None:
    odd = [
        chr(code)
        for code in (*range(0x100), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x1F600, 0x10FFFF)
    ]
    assert_reads_back(
        {"values": odd, "keys": dict.fromkeys(odd, 1), "lines": [f"a{char}\nb{char}\n" for char in odd]}
    )
    for char in odd:
        assert_reads_back({char: f"{char}\nb\n"})


@pytest.mark.tool
@given(hostile.texts)
@settings(hostile.BATCHES, max_examples=5)
def test_texts_read_back_by_the_go_reader_of_compose_and_kubernetes(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("compose")
    labels = {f"k{i}": text.replace("$", "$$") for i, text in enumerate(texts)}
    tree = {"name": "x", "services": {"a": {"image": "a", "labels": labels}}}
    assert compose_labels(yaml.dump(tree), folder) == texts


def compose_labels(text: str, folder: Path) -> list[str]:
    (folder / "compose.yaml").write_bytes(text.encode())
    command = [require("docker-compose"), "-f", "compose.yaml", "config", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    labels: dict[str, str] = json.loads(done.stdout)["services"]["a"]["labels"]
    return [labels[f"k{i}"].replace("$$", "$") for i in range(len(labels))]


def test_layout() -> None:
    tree = {
        "apiVersion": "apps/v1",
        "empty": {"dict": {}, "list": [], "text": ""},
        "numbers": [0, -1, 1.5, 1e16, 1e-07],
        "flags": [True, False, None, "true", "no"],
        "containers": [
            {"name": "llama", "args": ["-c", "32768"], "env": [{"name": "A", "value": "1"}]},
            {"name": "two words", "matrix": [["a", "b"], ["c"]]},
        ],
        "nvidia.com/gpu": 1,
        "8080": "/models/a.gguf",
        "script": "set -e\nif true; then\n\techo 'x'\nfi\n\ndone\n",
        "keep": "a\n\n",
        "strip": "a\nb",
        "blanks at an end": "a \nb\n",
        "items": ["a\nb\n"],
    }
    assert yaml.dump(tree) == (
        "apiVersion: apps/v1\n"
        "empty:\n"
        "  dict: {}\n"
        "  list: []\n"
        '  text: ""\n'
        "numbers:\n"
        "  - 0\n"
        "  - -1\n"
        "  - 1.5\n"
        "  - 1.0e+16\n"
        "  - 1.0e-07\n"
        "flags:\n"
        "  - true\n"
        "  - false\n"
        "  - null\n"
        '  - "true"\n'
        '  - "no"\n'
        "containers:\n"
        "  - name: llama\n"
        "    args:\n"
        '      - "-c"\n'
        '      - "32768"\n'
        "    env:\n"
        "      - name: A\n"
        '        value: "1"\n'
        '  - name: "two words"\n'
        "    matrix:\n"
        "      - - a\n"
        "        - b\n"
        "      - - c\n"
        "nvidia.com/gpu: 1\n"
        '"8080": /models/a.gguf\n'
        "script: |\n"
        "  set -e\n"
        "  if true; then\n"
        "  \techo 'x'\n"
        "  fi\n"
        "\n"
        "  done\n"
        "keep: |+\n"
        "  a\n"
        "\n"
        "strip: |-\n"
        "  a\n"
        "  b\n"
        '"blanks at an end": "a \\nb\\n"\n'
        "items:\n"
        "  - |\n"
        "      a\n"
        "      b\n"
    )
    assert_reads_back(tree)


@pytest.mark.parametrize(
    "word", ["y", "Y", "n", "N", "yes", "NO", "on", "Off", "true", "FALSE", "null", "Null"]
)
def test_words_that_some_yaml_reserves_are_quoted(word: str) -> None:
    # No reader at hand takes `y` for true, but YAML 1.1 does.
    assert yaml.dump({word: word}) == f'"{word}": "{word}"\n'


def test_what_nobody_sees_is_escaped() -> None:
    text = "a\x00\x1b\x7f\x85\u200b\u2028\u202e\u2066\ufeff\ufffe é😀"
    assert yaml.dump([text]) == '- "a\\x00\\x1b\\x7f\\x85\\u200b\\u2028\\u202e\\u2066\\ufeff\\ufffe é😀"\n'


def test_a_stream_has_a_document_for_each_tree() -> None:
    text = yaml.dump(YamlStream(({"a": "x\n\n"}, [1], "on")))
    assert text.count("---\n") == 3
    assert list(pyyaml.safe_load_all(text)) == [{"a": "x\n\n"}, [1], "on"]


def test_the_longest_key_reads_back_and_a_longer_one_is_refused() -> None:
    assert_reads_back({"a" * 1024: 1, "é " * 511: 2, "z": {"a" * 1024: 3}})
    with pytest.raises(EmitError, match="1024"):
        yaml.dump({"a" * 1025: 1})
    with pytest.raises(EmitError, match="1024"):
        yaml.dump({"é " * 512: 1})


def deep(levels: int) -> Any:
    tree: Any = "end"
    for level in range(levels):
        tree = [tree] if level % 2 else {"a": tree}
    return tree


def test_depth_has_a_limit_that_readers_take() -> None:
    assert_reads_back(deep(MAX_DEPTH))
    with pytest.raises(EmitError, match="deep"):
        yaml.dump(deep(MAX_DEPTH + 1))
    with pytest.raises(EmitError, match="deep"):
        yaml.dump(deep(100_000))


class Text(str):
    """A subclass that could print as something else."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "finite"),
        (float("-inf"), "finite"),
        (2**63, "64 bits"),
        (-(2**63), "64 bits"),
        pytest.param(10**5000, "64 bits", id="huge"),
        ("\ud800", "surrogate"),
        (Path("a"), "Path"),
        (Text("a"), "Text"),
        (b"a", "bytes"),
        ({1}, "set"),
    ],
)
def test_refuses_with_the_place(value: Any, message: str) -> None:
    with pytest.raises(EmitError, match=message) as caught:
        yaml.dump({"a": [{"b": value}]})
    assert caught.value.path == ("a", 0, "b")
    assert str(caught.value).startswith("a.0.b: ")


@pytest.mark.parametrize("key", [1, None, True, ("a",), "\udfff"])
def test_refuses_keys_that_are_not_text(key: Any) -> None:
    with pytest.raises(EmitError, match="key") as caught:
        yaml.dump({"a": {key: 1}})
    assert caught.value.path == ("a",)
