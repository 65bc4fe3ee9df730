"""Nix that the real evaluator reads as the tree it was made from."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.domain.document import NixExpr, NixFunction
from stackgen.emit import EmitError, nix
from tests.support import hostile
from tests.support.programs import require


def evaluate(text: str, folder: Path) -> Any:
    """The value of a Nix file, by way of JSON."""
    file = folder / "value.nix"
    file.write_bytes(text.encode())
    own = {
        "NIX_STATE_DIR": folder,
        "NIX_STORE_DIR": folder,
        "NIX_LOG_DIR": folder,
        "HOME": folder,
        "NIX_CONF_DIR": folder,
    }
    command = [require("nix-instantiate"), "--eval", "--strict", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, env={k: str(v) for k, v in own.items()})
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return json.loads(done.stdout)


def sort_of(tree: Any) -> Any:
    """A tree without what Nix does not keep when it writes JSON: the order of keys, and 1.0 beside 1."""
    match tree:
        case dict():
            return {key: sort_of(tree[key]) for key in sorted(tree)}
        case list():
            return [sort_of(item) for item in tree]
        case float():
            return int(tree) if tree.is_integer() else tree
        case _:
            return tree


texts = hostile.text.filter(lambda text: nix.why_not_text(text) is None)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.integers(-99999, 99999).map(lambda n: n / 100),
    texts,
    hostile.lines,
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=20,
)


@pytest.mark.tool
@given(st.lists(trees, min_size=30, max_size=40))
@settings(hostile.BATCHES, max_examples=6)
def test_trees_read_back(tmp_path_factory: pytest.TempPathFactory, tree: list[Any]) -> None:
    back = evaluate(nix.dump(tree), tmp_path_factory.mktemp("nix"))
    assert repr(sort_of(back)) == repr(sort_of(tree))


@pytest.mark.tool
@given(st.lists(texts, min_size=80, max_size=150), st.lists(hostile.lines, min_size=40))
@settings(hostile.BATCHES, max_examples=6)
def test_texts_read_back_as_values_and_names(
    tmp_path_factory: pytest.TempPathFactory, some: list[str], scripts: list[str]
) -> None:
    tree = {
        "values": some,
        "names": dict.fromkeys(some, 1),
        "chain": {some[0]: {some[1]: 1}},
        "scripts": scripts,
    }
    assert evaluate(nix.dump(tree), tmp_path_factory.mktemp("nix")) == tree


@pytest.mark.tool
def test_every_odd_text_reads_back(tmp_path: Path) -> None:
    characters = [chr(code) for code in (*range(1, 0x100), 0x2028, 0xFEFF, 0xFFFF, 0x1F600)]
    tree = [*characters, *(f"a{c}b\nc{c}\n" for c in characters), *hostile.LOOKALIKES]
    assert evaluate(nix.dump(tree), tmp_path) == tree


@pytest.mark.tool
def test_numbers_read_back(tmp_path: Path) -> None:
    tree = [0, -1, 2**63 - 1, -(2**63) + 1, 0.5, -0.25, 1e16, 1e-5, 1e300, 2.5e-308, 123456.0]
    back = evaluate(nix.dump(tree), tmp_path)
    assert back == pytest.approx(tree, rel=1e-5, abs=0)
    assert [type(item) for item in back[:4]] == [int] * 4


MODULE = NixFunction(
    ("config", "lib"),
    {
        "systemd": {
            "services": {
                "llama": {
                    "description": "llama's server",
                    "environment": {"A": "${b}"},
                    "wantedBy": ["multi-user.target"],
                    "preStart": "set -e\n\nif true; then\n  echo ${HOME}\nfi\n",
                    "enable": NixExpr("lib.mkDefault true"),
                    "path": [NixExpr("config.a"), NixExpr("lib.mkDefault 1"), -1],
                    "long": ["x" * 40, "y" * 40, {"a": 1, "b": [], "c": {}}],
                }
            }
        },
        "or": None,
    },
)


def test_layout() -> None:
    assert nix.dump(MODULE) == (
        "{ config, lib, ... }:\n"
        "\n"
        "{\n"
        "  systemd.services.llama = {\n"
        '    description = "llama\'s server";\n'
        '    environment.A = "\\${b}";\n'
        '    wantedBy = [ "multi-user.target" ];\n'
        "    preStart = ''\n"
        "      set -e\n"
        "\n"
        "      if true; then\n"
        "        echo ''${HOME}\n"
        "      fi\n"
        "    '';\n"
        "    enable = lib.mkDefault true;\n"
        "    path = [ config.a (lib.mkDefault 1) (-1) ];\n"
        "    long = [\n"
        f'      "{"x" * 40}"\n'
        f'      "{"y" * 40}"\n'
        "      {\n"
        "        a = 1;\n"
        "        b = [ ];\n"
        "        c = { };\n"
        "      }\n"
        "    ];\n"
        "  };\n"
        '  "or" = null;\n'
        "}\n"
    )


@pytest.mark.parametrize("text", ["a", "a\nb", "a \nb\n", "a\n\tb\n", " a\n", "a\r\n", "''\n", "'${\n"])
def test_texts_that_read_worse_indented_stay_on_one_line(text: str) -> None:
    assert nix.dump(text) == f"{nix.string(text)}\n"
    assert nix.string(text).count("\n") == 0


@pytest.mark.tool
def test_a_module_is_a_function_with_expressions_in_it(tmp_path: Path) -> None:
    call = f"({nix.dump(MODULE)}) {{ config.a = 7; lib.mkDefault = x: x; more = 1; }}"
    llama = evaluate(call, tmp_path)["systemd"]["services"]["llama"]
    assert llama["path"] == [7, 1, -1]
    assert llama["enable"] is True
    assert llama["preStart"] == "set -e\n\nif true; then\n  echo ${HOME}\nfi\n"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a\0", "NUL"),
        ({"a\0": 1}, "NUL"),
        (NixExpr("\0"), "NUL"),
        ("\udc00", "surrogate"),
        (5e-324, "zero"),
        (-(2**63), "64 bits"),
        (float("nan"), "finite"),
        (b"a", "bytes"),
    ],
)
def test_refuses_what_nix_cannot_hold(value: Any, reason: str) -> None:
    with pytest.raises(EmitError, match=reason) as caught:
        nix.dump({"a": [value]})
    assert caught.value.path == ("a", 0)


@pytest.mark.parametrize("name", ["", "a b", "if", "1a", "a.b"])
def test_refuses_arguments_that_are_no_names(name: str) -> None:
    with pytest.raises(EmitError, match="name of an argument"):
        nix.dump(NixFunction((name,), {}))
