"""`stackgen calibrate`: the log of a real load beside the plan."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stackgen.cli.output import fail, load, note, page


def calibrate(
    log: Annotated[
        str, typer.Argument(metavar="LOG", help="a load log of llama-server; - reads it from stdin")
    ],
    stack: Annotated[
        Path | None, typer.Argument(metavar="STACK", help="a stack file, or the folder with stack.yaml")
    ] = None,
    use: Annotated[
        str | None, typer.Option(metavar="SERVICE/MODEL", help="what was loaded, when the log does not tell")
    ] = None,
) -> None:
    """Compare a load log with the plan, and print the `measured` entry that follows from it."""
    from stackgen.app import calibration
    from stackgen.report.calibrate import entry, show, show_loads

    found = calibration.loads(_text(log))
    if stack is None and not Path("stack.yaml").is_file():
        sys.stdout.write(show_loads(found, page()))
        note("there is no stack.yaml here to compare it with; name one as the second argument")
        return
    loaded = load(stack or Path())
    done = calibration.calibrate(loaded, found, use)
    sys.stdout.write(show(done.calibrations, page()))
    if done.strangers:
        names = ", ".join(load.instance or load.model or "one without a name" for load in done.strangers)
        note(f"not of this stack: {names}")
    if text := entry(done.calibrations):
        sys.stdout.write(f"\nto plan with what was logged, add to {loaded.file.name}:\n\n{text}")


def _text(log: str) -> str:
    if log == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        return Path(log).read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        fail(f"{log}: {exc.strerror or exc}", "name a file, or - to paste the log")
