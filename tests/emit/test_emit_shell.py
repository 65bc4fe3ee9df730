"""Words that bash splits into what they were."""

import shlex
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.emit import EmitError, shell
from tests.support import hostile
from tests.support.programs import require


def run(script: str) -> bytes:
    done = subprocess.run(
        [require("bash"), "--norc", "-eu"], input=script.encode(), capture_output=True, env={}
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@given(st.lists(hostile.words))
@settings(max_examples=80, deadline=None)
def test_words_read_back(argv: list[str]) -> None:
    assert shlex.split(shell.join(argv)) == argv


@pytest.mark.tool
@given(hostile.argvs)
@settings(hostile.BATCHES, max_examples=8)
def test_bash_reads_every_word_and_variable(argv: list[str]) -> None:
    variables = {f"A_{i}": word for i, word in enumerate(argv)}
    names = " ".join(f'"$A_{i}"' for i in range(len(argv)))
    printed = run(f"{shell.exports(variables)}printf '%s\\0' {shell.join(argv)} {names}\n")
    assert printed.decode().split("\0")[:-1] == argv * 2


def test_layout() -> None:
    assert shell.join(["llama-server", "--port=8080", "two words", "it's", ""]) == (
        "llama-server --port=8080 'two words' 'it'\"'\"'s' ''"
    )
    assert shell.exports({"A": "1", "B_2": "$x"}) == "export A=1\nexport B_2='$x'\n"


@pytest.mark.parametrize("text", ["a\0", "\ud800"])
def test_refuses_words_that_no_program_can_be_given(text: str) -> None:
    with pytest.raises(EmitError):
        shell.join(["a", text])


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "é", "a=", "a\n"])
def test_refuses_names(name: Any) -> None:
    with pytest.raises(EmitError, match="named by") as caught:
        shell.exports({"A": "1", name: "x"})
    assert caught.value.path == (name,)
