"""Runs the command line as users do: a process of its own, its output and its exit status."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STACKS = ROOT / "stacks"


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    status: int
    out: str
    err: str


def stackgen(*arguments: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Run:
    """Run `stackgen` with these arguments."""
    done = subprocess.run(
        [sys.executable, "-c", "from stackgen.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
        | dict(env or {}),
        check=False,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
    )
    return Run(done.returncode, done.stdout, done.stderr)
