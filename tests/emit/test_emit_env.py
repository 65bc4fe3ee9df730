"""Env files that Docker Compose reads as they were meant."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from stackgen.emit import EmitError, env
from tests.support import hostile
from tests.support.programs import require


def read_by_compose(text: str, folder: Path) -> dict[str, str]:
    """The variables that a service gets from an env file."""
    (folder / "a.env").write_bytes(text.encode())
    (folder / "compose.yaml").write_text("name: x\nservices: {a: {image: a, env_file: [a.env]}}\n")
    command = [require("docker-compose"), "-f", "compose.yaml", "config", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, env={})
    assert (done.returncode, done.stderr) == (0, b"")
    variables: dict[str, str] = json.loads(done.stdout)["services"]["a"].get("environment", {})
    return {name: value.replace("$$", "$") for name, value in variables.items()}


@pytest.mark.tool
@given(hostile.argvs)
@settings(hostile.BATCHES, max_examples=8)
def test_compose_reads_every_value(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    variables = {f"A{i}": word for i, word in enumerate(words)}
    assert read_by_compose(env.dump(variables), tmp_path_factory.mktemp("env")) == variables


@pytest.mark.tool
def test_compose_reads_every_odd_value(tmp_path: Path) -> None:
    odd = [chr(code) for code in (*range(1, 0x100), 0x2028, 0xFEFF, 0x1F600)]
    values = [*odd, *(f"{c}a{c}" for c in odd), *(f"'{c}" for c in odd), *hostile.LOOKALIKES]
    variables = {f"A{i}": value for i, value in enumerate(values)}
    assert read_by_compose(env.dump(variables), tmp_path) == variables


def test_unquoted_values_mean_the_same_to_a_shell() -> None:
    plain = {"A": "", "B": "http://llama:8080/v1", "C": "a,b", "D": "50%", "E": "x+y@z-1"}
    assert env.dump(plain) == "A=\nB=http://llama:8080/v1\nC=a,b\nD=50%\nE=x+y@z-1\n"
    assert shlex.split(env.dump(plain)) == [f"{name}={value}" for name, value in plain.items()]


def test_layout() -> None:
    variables = {
        "A": "two words",
        "B": "it's $1",
        "C": 'say "x"',
        "D": "a\nb",
        "E": "\\",
        "F": "a\r\nb",
        "G": "a#b",
    }
    assert (
        env.dump(variables)
        == "A='two words'\nB=\"it's \\$1\"\nC='say \"x\"'\nD='a\nb'\nE=\"\\\\\"\nF=\"a\\r\\nb\"\nG='a#b'\n"
    )


@pytest.mark.parametrize("value", ["a\0", "\ud800", None, 1, True])
def test_refuses_values(value: Any) -> None:
    with pytest.raises(EmitError) as caught:
        env.dump({"A": "a", "B": value})
    assert caught.value.path == ("B",)


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a.b", "a b", "é"])
def test_refuses_names(name: str) -> None:
    with pytest.raises(EmitError, match="named by"):
        env.dump({name: "x"})


def test_refuses_what_is_no_variables() -> None:
    with pytest.raises(EmitError, match="variables"):
        env.dump(["A=1"])
