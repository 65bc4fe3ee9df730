"""Programs that speak as llama-fit-params and ggml-rpc-server do, and what the real ones of build 11434 said.

No package that pip can install ships these two, so small Python programs stand in for them: the answers are
captured ones, found by the arguments and by the length of the model file; everything around them (ports, devices,
refusals, aborts) is acted out. Where LLAMA_BIN names a folder with the real programs, the same tests ask those too.

`python -m tests.support.llama_bin DIR` captures the answers anew.
"""

import json
import os
import shlex
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any

from stackgen.api import parse_argv
from stackgen.domain.units import GIB

TESTS = Path(__file__).parents[1]
CAPTURED = TESTS / "oracle" / "tool_captured.json"
QUESTIONS = (
    ("llama-3.1-8b", "-c 8192", ()),
    ("llama-3.1-8b", "-c 8192 -np 3", (24, 12)),
    ("gemma-3-27b", "-c 32768 -np 2", (24, 12)),
    ("qwen3-coder-next-80b-a3b", "-c 8192 -ctk q8_0 -ctv q8_0", (24, 24, 24)),
    ("gpt-oss-120b", "-c 131072 -np 4 --kv-unified -ncmoe 20", (24,)),
    ("deepseek-v3", "-cmoe -c 131072", (80, 80)),
    ("gemma-4-e4b", "-c 16384 -sm none -mg 1", (24, 24)),
    ("bge-m3", "--embeddings -ub 4096", (24,)),
    ("mamba2-codestral-7b", "-c 8192 -np 8 -nkvo", (24,)),
    ("glm-4.7-flash", "-c 8192 -ctk q8_0", (24,)),
    ("llama-3.1-8b", "-c 8192 -fa off -ctv q4_0", (24,)),
)
"""(header, llama-server's flags, GiB of each device); the last two are refused."""


@dataclass(frozen=True)
class Answer:
    """What the real program answered; `out` is its table, `err` its log when it refused."""

    header: Path
    argv: tuple[str, ...]
    devices: tuple[int, ...]
    asked: tuple[str, ...]
    size: int
    status: int
    out: str
    err: str


@cache
def captured() -> dict[str, Any]:
    """The whole capture."""
    data: dict[str, Any] = json.loads(CAPTURED.read_text())
    return data


@cache
def answers() -> tuple[Answer, ...]:
    """All captured answers."""
    return tuple(
        Answer(
            header=TESTS / "headers" / f"{row['header']}.gguf",
            argv=tuple(shlex.split(row["argv"])),
            devices=tuple(gib * GIB for gib in row["gib"]),
            asked=tuple(row["asked"]),
            size=row["size"],
            status=row["status"],
            out=row["out"],
            err=row["err"],
        )
        for row in captured()["answers"]
    )


def real() -> Path | None:
    """The folder of the real programs, where somebody named one."""
    folder = os.environ.get("LLAMA_BIN")
    return Path(folder) if folder else None


def acted(folder: Path, *, tool: str = "", server: str = "", more: tuple[dict[str, Any], ...] = ()) -> Path:
    """The two stand-ins in a folder; `tool` and `server` name a way to fail, `more` are answers of a test's own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "said.json").write_text(json.dumps({**captured(), "answers": [*captured()["answers"], *more]}))
    for name, text, how in (("llama-fit-params", _TOOL, tool), ("ggml-rpc-server", _SERVER, server)):
        path = folder / name
        path.write_text(f"#!{sys.executable} -S\nHOW = {how!r}\n{dedent(text)}")
        path.chmod(0o755)
    return folder


def calls(folder: Path) -> list[dict[str, Any]]:
    """How the stand-ins were called: program, arguments, environment, process id."""
    path = folder / "calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


_COMMON = """
    import json, os, socket, sys, time
    from pathlib import Path
    here = Path(__file__).resolve().parent
    args = sys.argv[1:]
    with (here / "calls.jsonl").open("a") as log:
        log.write(json.dumps({"program": Path(__file__).name, "args": args, "pid": os.getpid(),
                              "env": dict(os.environ)}) + "\\n")
    def after(flag):
        return args[args.index(flag) + 1]
"""
_TOOL = (
    _COMMON
    + """
    said = json.loads((here / "said.json").read_text())
    def refuse(text, status=1):
        sys.stderr.write(text)
        sys.exit(status)
    if HOW == "hangs" or (HOW == "thinks" and "--fit-print" in args):
        time.sleep(60)
    if "--version" in args:
        print(said["version"], end="")
        sys.exit(0)
    if HOW == "old" and "--fit-print" in args:
        refuse("error: invalid argument: --fit-print\\n")
    if HOW == "no-rpc" and "--rpc" in args:
        refuse("error: invalid argument: --rpc\\n")
    ends = after("--rpc").split(",") if "--rpc" in args else []
    for end in ends:
        host, port = end.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=2).close()
        except OSError:
            refuse(f"/src/ggml/src/ggml-rpc/ggml-rpc.cpp:547: Failed to connect to {end}\\n", 134)
    if "--list-devices" in args:
        print("Available devices:")
        for i, end in enumerate(ends):
            print(f"  RPC{i}: {end} (24105 MiB, 24105 MiB free)")
        sys.exit(0)
    size = Path(after("-m")).stat().st_size
    asked = args[args.index("--fit-print") + 2:]
    for row in said["answers"]:
        if row["asked"] == asked and row["size"] == size:
            tries = sum(1 for line in (here / "calls.jsonl").open() if json.loads(line)["args"][:2] == args[:2])
            # The real program loses the last lines of its log now and then when it aborts.
            if not (HOW == "loses" and tries == 1):
                sys.stderr.write(row["err"])
            sys.stdout.write(row["out"])
            sys.exit(134 if row["status"] < 0 else row["status"])
    refuse(f"0.00.001 E fake: no answer was captured for {size} bytes and {' '.join(asked)}\\n")
"""
)
_SERVER = (
    _COMMON
    + """
    if HOW == "dies":
        sys.exit(3)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((after("-H"), int(after("-p"))))
    if HOW != "deaf":
        listening.listen()
    while True:
        if HOW == "deaf":
            time.sleep(1)
        else:
            listening.accept()[0].close()
"""
)


def _capture(folder: Path) -> None:
    from stackgen.io import sparse, witness
    from stackgen.memory.question import arguments

    programs = witness.find(folder)
    version = witness._run(programs, "--version")
    rows = []
    for header, argv, gib in QUESTIONS:
        heads = sparse.from_file(TESTS / "headers" / f"{header}.gguf")
        asked = arguments(parse_argv(shlex.split(argv)), [g * GIB for g in gib])
        with witness.stand_ins(programs, len(gib)) as stands, TemporaryDirectory() as name:
            model = str(sparse.write(heads, Path(name)))
            run = witness._fitted(programs, "-m", model, *witness._where(stands), "--fit-print", "on", *asked)
        row = {"header": header, "argv": argv, "gib": gib, "size": sum(h.size for h in heads), "asked": asked}
        rows.append(row | {"status": run.status, "out": run.out, "err": run.err if run.status else ""})
    lines = ",\n".join(json.dumps(row) for row in rows)
    said = json.dumps(version.out + version.err)
    CAPTURED.write_text(f'{{"build": 11434, "version": {said}, "answers": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    _capture(Path(sys.argv[1]))
