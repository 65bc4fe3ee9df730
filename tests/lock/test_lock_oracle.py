"""`stackgen lock --oracle`: the engine's own figures in the lock, and what a plan makes of them.

The engine is acted out as in tests/test_witness_commands.py; where LLAMA_BIN names the real one, it is asked too.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import MIB
from stackgen.facts.derive import derive
from stackgen.formats.gguf import parse_header
from stackgen.memory.llama import footprint
from stackgen.memory.question import arguments, as_asked
from stackgen.memory.witness import usage
from tests.support.cli import Run, stackgen
from tests.support.fake_hub import FakeHub
from tests.support.hub_files import header
from tests.support.llama_bin import acted, calls, real
from tests.support.locked_hub import SIZES, environment, locked_hub

STACK = """version: 1
name: home
hosts: {box: {platform: compose, gpus: [rtx-3090]}}
models:
  nano: {hf: "home/nano-GGUF:UD-Q4_K_XL"}
services:
  llama:
    engine: llama-server
    host: box
    gpus: [0]
    image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
    options: {parallel: 2}
    models: {nano: {model: nano, context: 8192}}
"""
FREE = [24124 * MIB]
PARAMS = LlamaParams(n_ctx=8192, n_parallel=2, kv_unified=False)
FACTS = derive(parse_header(header("nemotron-3-nano-30b-a3b")))


class Home:
    """A stack with its hub and an acted engine, which knows our own figures, moved by `apart` MiB per term."""

    def __init__(self, root: Path, hub: FakeHub) -> None:
        self.root, self.hub, self.file, self.lock = root, hub, root / "stack.yaml", root / "stack.lock"
        self.file.write_text(STACK)

    def run(self, *arguments: str | Path) -> Run:
        return stackgen(*arguments, cwd=self.root, env=environment(self.hub, self.root))

    def engine(self, *apart: int) -> Path:
        return acted(self.root / "bin", more=(answer(*apart),))

    def planned(self) -> dict[str, dict[str, Any]]:
        """The terms of the only resident, by name; the compute buffer first, before what CUDA adds."""
        run = self.run("plan", "--format", "json")
        terms = json.loads(run.out)["gpus"][0]["residents"][0]["terms"]
        return {t["term"]: t for t in reversed(terms)}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with locked_hub(tmp_path / "hub") as hub:
        yield Home(tmp_path, hub)


def answer(model: int = 0, context: int = 0, compute: int = 0) -> dict[str, Any]:
    params = as_asked(PARAMS, FREE)
    found = footprint(FACTS, params, FREE)
    ours = usage(found.devices[0])
    gpu = (ours.model + model, ours.context + context, ours.compute + compute)
    rows = [("RPC0", *gpu), ("Host", *usage(found.host).values)]
    return {
        "asked": list(arguments(params, FREE)),
        "size": SIZES["home/nano-GGUF/nano-UD-Q4_K_XL.gguf"],
        "status": 0,
        "err": "",
        "out": "".join(" ".join(map(str, row)) + " \n" for row in rows),
    }


def answer_rows() -> list[list[int]]:
    return [[int(word) for word in row.split()[1:]] for row in answer()["out"].splitlines()]


@pytest.mark.parametrize("folder", [None, *filter(None, [real()])])
def test_the_engine_that_agrees_makes_the_figures_measured(home: Home, folder: Path | None) -> None:
    home.run("lock")
    before = home.planned()
    run = home.run("lock", "--oracle", "--llama-bin", folder or home.engine())
    assert run.status == 0, run.err
    assert "measured: llama/nano" in run.err
    assert "oracle/differs" not in run.err
    (said,) = json.loads(home.lock.read_text())["models"]["nano"]["measured"]
    assert said["build"] == "0.6.0-dev" or folder
    assert said["asked"][:4] == ["-c", "8192", "-np", "2"]
    for ours, theirs in zip(answer_rows(), (*said["MiB"]["devices"], said["MiB"]["host"]), strict=True):
        assert all(abs(a - b) <= 1 for a, b in zip(ours, theirs, strict=True))
    after = home.planned()
    assert {name: t["basis"] for name, t in after.items()} == {
        "weights": "measured",
        "kv": "measured",
        "recurrent": "measured",
        "compute": "measured",
        "context": "modelled",
    }
    assert {n: t["high"] for n, t in after.items()} == {n: t["high"] for n, t in before.items()}
    explained = home.run("plan", "--explain", "llama/nano").out
    assert f"llama-fit-params {said['build']}: the same" in explained


def test_the_engine_that_says_otherwise_is_planned_with(home: Home) -> None:
    home.run("lock")
    before = home.planned()
    run = home.run("lock", "--oracle", "--llama-bin", home.engine(5, 7, 11))
    assert run.status == 0, run.err
    assert "[oracle/differs]" in run.err
    after = home.planned()
    off = {name: after[name]["low"] - before[name]["low"] for name in ("weights", "kv", "recurrent")}
    assert off == {"weights": 5 * MIB, "kv": 7 * MIB, "recurrent": 0}
    assert (
        before["compute"]["high"] + 8 * MIB < after["compute"]["high"] < before["compute"]["high"] + 12 * MIB
    )
    assert "+11 MiB against ours" in home.run("plan", "--explain", "llama/nano").out


def test_other_arguments_make_the_figures_stale(home: Home) -> None:
    home.run("lock", "--oracle", "--llama-bin", home.engine(5))
    assert home.run("lock", "--check").status == 0
    home.file.write_text(STACK.replace("context: 8192", "context: 16384"))
    run = home.run("plan")
    assert "`-c 8192` is now `-c 16384` [oracle/stale]" in " ".join(run.err.split())
    assert home.planned()["weights"]["basis"] == "exact"
    assert home.run("lock", "--check").status == 3
    dropped = home.run("lock")
    assert "dropped the engine's figures for nano" in dropped.err
    assert "measured" not in home.lock.read_text()
    assert "oracle/stale" not in home.run("plan").err
    assert home.run("lock", "--check").status == 0


def test_a_lock_keeps_the_figures_and_a_moved_pin_does_not(home: Home) -> None:
    home.run("lock", "--oracle", "--llama-bin", home.engine())
    before = home.lock.read_text()
    home.run("lock")
    home.run("lock", "--upgrade")
    assert home.lock.read_text() == before
    home.file.write_text(STACK.replace("UD-Q4_K_XL", "Q4_K_M"))
    home.run("lock")
    assert "measured" not in home.lock.read_text()


def test_an_engine_that_does_not_answer_leaves_the_lock_alone(home: Home) -> None:
    run = home.run("lock", "--oracle", "--llama-bin", acted(home.root / "bin"))
    assert run.status == 1
    assert "[oracle/unavailable]" in run.err
    assert "no stack.lock was written" in run.err
    assert not home.lock.exists()
    accepted = 'allow: [{kind: oracle/unavailable, reason: "the engine does not know it"}]\n'
    home.file.write_text(STACK + accepted)
    run = home.run("lock", "--oracle", "--llama-bin", home.root / "bin")
    assert run.status == 0
    assert "measured" not in home.lock.read_text()


def test_without_the_programs_nothing_is_written(home: Home) -> None:
    run = home.run("lock", "--oracle", "--llama-bin", "/nowhere")
    assert run.status == 1
    assert "there is no llama-fit-params in /nowhere" in run.err
    assert not home.lock.exists()


def test_files_on_another_machine_are_not_asked_about(home: Home) -> None:
    home.file.write_text(
        STACK.replace(
            '{hf: "home/nano-GGUF:UD-Q4_K_XL"}', "{path: /srv/x.gguf, vram: {low: 1GiB, high: 2GiB}}"
        )
    )
    run = home.run("lock", "--oracle", "--llama-bin", home.engine())
    assert run.status == 0, run.err
    assert "measured: nothing" in run.err
    assert not any("--fit-print" in call["args"] for call in calls(home.root / "bin"))
