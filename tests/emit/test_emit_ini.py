"""Presets that llama-server's router reads as they were meant."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stackgen.emit import EmitError, ini
from tests.support import hostile
from tests.support.router import Refused, listed

HEADER = re.compile(r"\[[ \t]*([^\]]+)\][ \t]*(?:[;#].*)?")
KEY_VALUE = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*(.*)")


def read(text: str) -> dict[str, dict[str, str]]:
    """The documented grammar: lines end at CR or LF, values at `;` or `#`, and quotes are text."""
    sections: dict[str, dict[str, str]] = {}
    current = "default"
    for line in re.split(r"\r\n|\n|\r", text):
        if header := HEADER.fullmatch(line):
            current = header[1]
            sections[current] = {}
        elif pair := KEY_VALUE.fullmatch(line):
            sections.setdefault(current, {})[pair[1]] = re.split("[;#]", pair[2])[0].rstrip(" \t")
        else:
            assert re.fullmatch(r"[ \t]*(?:[;#].*)?", line), f"the router refuses {line!r}"
    return sections


keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]*", fullmatch=True)
values = hostile.text.map(lambda text: re.sub("[;#\n\r\0]", "", text).strip(" \t"))
# A tag after a colon is rewritten by the router, and `*` is not listed.
names = hostile.text.map(lambda text: re.sub("[]:*\n\r\0]", "", text).strip(" \t") or "x")


@given(st.dictionaries(names, st.dictionaries(keys, values, max_size=4), max_size=4))
@settings(max_examples=60, deadline=None)
def test_presets_read_back(presets: dict[str, dict[str, str]]) -> None:
    assert read(ini.dump(presets)) == presets


@given(hostile.text)
@settings(max_examples=200)
def test_a_value_is_refused_exactly_when_it_would_not_read_back(value: str) -> None:
    assume("\0" not in value)
    try:
        survives = read(f"[a]\nkey = {value}\n") == {"a": {"key": value}}
    except AssertionError:
        survives = False
    assert survives is (ini.why_not(value) is None)


@given(hostile.text)
@settings(max_examples=200)
def test_a_name_is_refused_unless_it_reads_back(name: str) -> None:
    if ini.why_not_section(name) is None:
        assert read(f"[{name}]\n") == {name: {}}


def test_layout() -> None:
    presets = {
        "coder - qwen3": {"model": "/m/a b.gguf", "ctx-size": 262144, "jinja": False, "chat-template": ""},
        "*": {"fit": True, "temp": 0.7},
    }
    assert ini.dump(presets) == (
        "[*]\n"
        "fit = true\n"
        "temp = 0.7\n"
        "\n"
        "[coder - qwen3]\n"
        "model = /m/a b.gguf\n"
        "ctx-size = 262144\n"
        "jinja = false\n"
        "chat-template =\n"
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a;b", "`;` starts a comment"),
        ('{"a": "#"}', "`#` starts a comment"),
        ("a\nb", "ends with its line"),
        ("a\rb", "ends with its line"),
        ("a\0b", "ends with its line"),
        (" a", "blanks"),
        ("a\t", "blanks"),
        ("\ud800", "surrogate"),
        (None, "needs a value"),
        (float("inf"), "finite"),
        (["a"], "list"),
    ],
)
def test_refuses_values_with_the_place(value: Any, reason: str) -> None:
    with pytest.raises(EmitError, match=reason) as caught:
        ini.dump({"*": {}, "a": {"model": value}})
    assert caught.value.path == ("a", "model")


@pytest.mark.parametrize("key", ["", "1a", "--model", "a b", "a=b", "é", "[a", ";a", "a\n"])
def test_refuses_keys(key: str) -> None:
    with pytest.raises(EmitError, match="a key is made of") as caught:
        ini.dump({"a": {key: "x"}})
    assert caught.value.path == ("a", key)


@pytest.mark.parametrize("name", ["", " ", "a]", "a\nb", " a", "a\t", "\ud800"])
def test_refuses_section_names(name: str) -> None:
    with pytest.raises(EmitError) as caught:
        ini.dump({name: {}})
    assert caught.value.path == (name,)


def test_refuses_what_is_no_presets() -> None:
    with pytest.raises(EmitError, match="sections"):
        ini.dump({"a": "b"})


@pytest.mark.tool
@given(st.lists(st.tuples(names, values), min_size=40, max_size=80))
@settings(hostile.BATCHES, max_examples=6)
def test_the_router_reads_every_name_and_value(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    presets = {name: {"model": value, "chat-template": "$" + value} for name, value in pairs}
    models = listed(ini.dump({**presets, "*": {"ctx-size": 4096}}), tmp_path_factory.mktemp("router"))
    assert isinstance(models, dict), models
    assert set(models) == set(presets)
    for name, preset in presets.items():
        arguments = models[name]["status"]["args"]
        seen = {key: arguments[arguments.index(f"--{key}") + 1] for key in (*preset, "ctx-size")}
        assert seen == {**preset, "ctx-size": "4096"}


@pytest.mark.tool
@pytest.mark.parametrize(
    "presets",
    [
        "[a]\nno-such-option = 1\n",
        "[a]\n--model = x\n",
        "[a]\n model = x\n",
        "[]\nmodel = x\n",
        "[a]]\nmodel = x\n",
        "[a]\nmodel = x\ry\n",
    ],
)
def test_the_router_refuses_what_we_refuse_to_write(presets: str, tmp_path: Path) -> None:
    answer = listed(presets, tmp_path)
    assert isinstance(answer, Refused)
    assert answer.status == 1


@pytest.mark.tool
def test_the_router_drops_what_we_refuse_to_write(tmp_path: Path) -> None:
    models = listed("[a]\nmodel =  x;y  \nalias = b\t\n[c ]\nmodel = x#y\n", tmp_path)
    assert isinstance(models, dict), models
    assert set(models) == {"a", "c "}
    assert models["a"]["status"]["args"][-1] == "x"
    assert models["a"]["aliases"] == ["b"]
