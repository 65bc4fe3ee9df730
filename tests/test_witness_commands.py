"""`estimate --oracle`, `plan --oracle` and `calibrate`, as users run them.

The engine is acted out by the programs of tests/support/llama_bin.py, which says what they stand in for.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stackgen.domain.units import MIB
from stackgen.io import sparse
from tests.support.cli import ROOT, STACKS, stackgen
from tests.support.llama_bin import acted, answers, calls

LOGS = ROOT / "tests" / "logs"
CUDA = LOGS / "qwen3-4b-cuda.log"
LLAMA = next(a for a in answers() if a.header.stem == "llama-3.1-8b" and len(a.devices) == 2)

STACK = """version: 1
name: home
hosts: {box: {platform: compose, gpus: [rtx-3090]}}
models:
  small: {hf: "Qwen/Qwen3-4B-GGUF:Q4_K_M"}
  coder: {hf: "Qwen/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q4_K_M"}
services:
  llama:
    engine: llama-server
    host: box
    gpus: [0]
    image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
    options: {parallel: 4, kv_unified: true, models_max: 1}
    models:
      small: {model: small, context: 8192}
    volumes: {models: models}
volumes: {models: {path: /srv/models}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "stack.yaml").write_text(STACK)
    return tmp_path


def answer(apart: int = 0) -> dict[str, Any]:
    """What the acted engine says of STACK's model: our own figures, so that only `apart` makes a difference."""
    from stackgen.domain.llama import LlamaParams
    from stackgen.facts import catalog
    from stackgen.facts.derive import derive
    from stackgen.memory.llama import footprint
    from stackgen.memory.question import arguments, as_asked
    from stackgen.memory.witness import usage

    hit = catalog.lookup("Qwen/Qwen3-4B-GGUF", "Q4_K_M")
    assert hit is not None
    free = [24124 * MIB]
    params = as_asked(LlamaParams(n_ctx=8192, n_parallel=4, kv_unified=True), free)
    found = footprint(derive(hit.header), params, free)
    gpu, host = usage(found.devices[0]).values, usage(found.host).values
    rows = [("RPC0", gpu[0], gpu[1], gpu[2] - apart), ("Host", *host)]
    return {
        "asked": list(arguments(params)),
        "size": sum(h.size for h in sparse.from_header(hit.header)),
        "status": 0,
        "err": "",
        "out": "".join(" ".join(map(str, row)) + " \n" for row in rows),
    }


def test_estimate_beside_the_engine(tmp_path: Path) -> None:
    folder = acted(tmp_path / "bin")
    run = stackgen(
        *("estimate", LLAMA.header, "-d", "24GiB", "-d", "12GiB", "--oracle", "--llama-bin", folder),
        *("--", *LLAMA.argv),
    )
    assert run.status == 0, run.err
    assert "GiB" in run.out
    assert "llama-3.1-8b.gguf: ours beside llama-fit-params 0.6.0-dev" in run.out
    assert "all within 1 MiB" in run.out
    assert "asked: -c 8192 -np 3" in run.out
    assert "logits for every token" in " ".join(run.out.split())


def test_estimate_beside_the_engine_as_json(tmp_path: Path) -> None:
    folder = acted(tmp_path / "bin")
    run = stackgen(
        *(
            "estimate",
            LLAMA.header,
            "-d",
            "24GiB",
            "-d",
            "12GiB",
            "--json",
            "--oracle",
            "--llama-bin",
            folder,
        ),
        *("--", *LLAMA.argv),
    )
    data = json.loads(run.out)
    assert data["oracle"]["unit"] == "MiB"
    assert data["oracle"]["differs"] is False
    rows = {row.split()[0]: [int(n) for n in row.split()[1:]] for row in LLAMA.out.splitlines()}
    assert [list(p["engine"].values()) for p in data["oracle"]["places"]] == [*rows.values()]
    assert [p["place"] for p in data["oracle"]["places"]] == ["GPU 0", "GPU 1", "host"]


def test_estimate_without_the_programs(tmp_path: Path) -> None:
    run = stackgen("estimate", LLAMA.header, "--oracle", "--llama-bin", tmp_path)
    assert run.status == 2
    assert "there is no llama-fit-params in" in run.err
    assert "hint:" in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize(("end", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_was_started_is_stopped_with_us(tmp_path: Path, end: signal.Signals, status: int) -> None:
    folder = acted(tmp_path / "bin", tool="thinks")
    command = [sys.executable, "-c", "from stackgen.cli import main; main()", "estimate", str(LLAMA.header)]
    options = ["-d", "24GiB", "--oracle", "--llama-bin", str(folder)]
    with subprocess.Popen([*command, *options], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not any("--fit-print" in c["args"] for c in calls(folder)) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(end)
        assert process.wait(20) == status
    started = calls(folder)
    assert len(started) == 4
    for call in started:
        with pytest.raises(ProcessLookupError):
            os.kill(call["pid"], 0)


def test_a_plan_that_the_engine_agrees_with(home: Path) -> None:
    folder = acted(home / "bin", more=(answer(),))
    run = stackgen("plan", home, "--oracle", "--llama-bin", folder)
    assert run.status == 0, run.err
    assert "llama/small: ours beside llama-fit-params" in run.out
    assert "  all within 1 MiB" in run.out
    assert "oracle/" not in run.err


def test_a_plan_that_the_engine_does_not_agree_with(home: Path) -> None:
    folder = acted(home / "bin", more=(answer(apart=-20),))
    run = stackgen("plan", home, "--oracle", "--llama-bin", folder)
    assert run.status == 0
    assert "not all within 1 MiB" in run.out
    assert "[oracle/differs]" in run.err
    assert "GPU 0 compute -20 MiB" in " ".join(run.err.split())


def test_a_difference_that_the_owner_accepts(home: Path) -> None:
    accepted = 'allow: [{kind: oracle/differs, reason: "known, and reported"}]\n'
    (home / "stack.yaml").write_text(STACK + accepted)
    folder = acted(home / "bin", more=(answer(apart=-20),))
    run = stackgen("plan", home, "--oracle", "--llama-bin", folder, "--format", "json")
    found = {d["kind"]: d["severity"] for d in json.loads(run.out)["diagnostics"]}
    assert found["oracle/differs"] == "note"


def test_a_model_that_the_engine_cannot_answer(home: Path) -> None:
    """Silence is no agreement: exit status 1."""
    run = stackgen("plan", home, "--oracle", "--llama-bin", acted(home / "bin"), "--format", "json")
    assert run.status == 1
    data = json.loads(run.out)
    jsonschema.validate(data, json.loads((ROOT / "docs" / "plan.schema.json").read_text()))
    (found,) = [d for d in data["diagnostics"] if d["kind"] == "oracle/unavailable"]
    assert "no answer was captured" in found["message"]
    assert found["path"] == "services.llama.models.small"


def test_a_plan_without_the_programs() -> None:
    run = stackgen("plan", STACKS / "one-16gb", "--oracle", "--llama-bin", "/nowhere")
    assert run.status == 1
    assert run.err.count("[oracle/unavailable]") == 1
    assert "one-16gb: fits" in run.out


def test_servers_are_started_once_for_all_models(tmp_path: Path) -> None:
    folder = acted(tmp_path / "bin")
    stackgen("plan", STACKS / "triple-3090", "--oracle", "--llama-bin", folder)
    programs = [c["program"] for c in calls(folder)]
    assert programs.count("ggml-rpc-server") == 2
    assert programs.count("llama-fit-params") > 4


def test_calibrate_prints_an_entry_that_the_plan_takes(home: Path) -> None:
    run = stackgen("calibrate", CUDA, home)
    assert run.status == 0, run.err
    assert "llama/small  logged by llama-server b9665" in run.out
    assert "not the same" not in run.out
    entry = run.out[run.out.index("measured:") :]
    (home / "stack.yaml").write_text(STACK + entry)
    data = json.loads(stackgen("plan", home, "--format", "json").out)
    (resident,) = data["gpus"][0]["residents"]
    (term,) = resident["terms"]
    assert term["basis"] == "measured"
    # 2375.91 + 1152.00 + 85.01 of buffers, rounded up, and a driver context that the log does not tell.
    assert 3612.92 + 150 < term["high"] / MIB < 3612.92 + 760


def test_calibrate_reads_a_pasted_log(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from stackgen.cli import main; main()", "calibrate", "-", str(home)],
        input=CUDA.read_bytes(),
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    assert b"measured:" in done.stdout


def test_calibrate_without_a_stack(tmp_path: Path) -> None:
    run = stackgen("calibrate", CUDA, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert run.status == 0, run.err
    assert "CUDA_Host" in run.out
    assert "there is no stack.yaml here" in run.err


def test_a_log_of_something_else_gives_no_entry(home: Path) -> None:
    (home / "stack.yaml").write_text(STACK.replace("context: 8192", "context: 16384"))
    run = stackgen("calibrate", CUDA, home)
    assert "n_ctx is 8192 in the log and 16384 in the plan" in run.out
    assert "measured:" not in run.out


def test_a_log_that_does_not_tell_what_it_is_of(home: Path) -> None:
    both = STACK.replace(
        "    volumes: {models: models}",
        "      coder: {model: coder, context: 8192}\n    volumes: {models: models}",
    )
    (home / "stack.yaml").write_text(both)
    unnamed = home / "load.log"
    unnamed.write_text("\n".join(x for x in CUDA.read_text().splitlines() if "loaded meta data" not in x))
    run = stackgen("calibrate", unnamed, home)
    assert run.status == 2
    assert "name it with --use; there is: llama/small, llama/coder" in run.err
    assert "llama/small" in stackgen("calibrate", unnamed, home, "--use", "llama/small").out
    assert stackgen("calibrate", CUDA, home, "--use", "llama/nix").status == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing at all\n", "-lv 4"),
        ("", "no buffer sizes"),
        ((LOGS / "dry-run-b11434.log").read_text(), "-lv 4"),
    ],
)
def test_a_log_without_sizes(home: Path, text: str, message: str) -> None:
    (home / "load.log").write_text(text)
    run = stackgen("calibrate", home / "load.log", home)
    assert run.status == 2
    assert message in run.err


def test_a_model_that_nothing_is_known_of_gets_an_entry(home: Path) -> None:
    """A log is one way out when no rule explains a model."""
    (home / "stack.yaml").write_text(
        STACK.replace("Qwen/Qwen3-4B-GGUF:Q4_K_M", "someone/Nobody-Knows-GGUF:Q4_K_M")
    )
    run = stackgen("calibrate", CUDA, home, "--use", "llama/small")
    assert run.status == 0, run.err
    assert "gpus: [4363MiB]" in run.out
    assert "+" not in run.out


def test_a_log_that_is_not_there(home: Path) -> None:
    run = stackgen("calibrate", home / "none.log", home)
    assert run.status == 2
    assert "No such file" in run.err
