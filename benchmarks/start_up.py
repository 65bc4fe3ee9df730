"""Whole-process time of `stackgen plan` and `--help`, as a ratio to the imports that they stand on.

    python benchmarks/start_up.py [RUNS]

The two commands run in turn, so that a machine that is slow for a while is slow for both.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOOR = [sys.executable, "-c", "import typer, ruamel.yaml, rich.table; from pydantic import BaseModel"]
RUN = [sys.executable, "-m", "stackgen"]


def seconds(command: list[str]) -> float:
    """Wall time of one run; its output is read and thrown away."""
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, cwd=ROOT, check=False, env=dict(os.environ, NO_COLOR="1"))
    return time.perf_counter() - start


def ratio(command: list[str], runs: int) -> tuple[float, float]:
    """(median ratio to the floor, median milliseconds) after one warm-up of each."""
    seconds(FLOOR), seconds(command)
    pairs = [(seconds(command), seconds(FLOOR)) for _ in range(runs)]
    return statistics.median(a / b for a, b in pairs), 1000 * statistics.median(a for a, _ in pairs)


def main() -> None:
    """Print a line per command."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    stacks = sorted(p.parent for p in (ROOT / "stacks").glob("*/stack.yaml"))
    for arguments in (["--help"], *(["plan", str(s.relative_to(ROOT))] for s in stacks)):
        times, milliseconds = ratio(RUN + arguments, runs)
        print(f"{times:5.2f} x the imports  {milliseconds:5.0f} ms  stackgen {' '.join(arguments)}")


if __name__ == "__main__":
    main()
