"""What all commands share: the terminal, findings, exit statuses."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from stackgen.app import Loaded
    from stackgen.domain.diagnostic import Diagnostic
    from stackgen.domain.source import Source
    from stackgen.report.page import Page

EXIT_WRONG, EXIT_USAGE, EXIT_OUT_OF_DATE, EXIT_BUG, EXIT_INTERRUPTED = 1, 2, 3, 70, 130

StackPath = Annotated[
    Path, typer.Argument(metavar="STACK", help="a stack file, or the folder with stack.yaml")
]
Locked = Annotated[
    bool, typer.Option("--locked", help="every model must be in stack.lock; exit 3 when one is not")
]


def console(*, stderr: bool = False) -> "Console":
    """The terminal; 100 columns when the output goes to a file, so that it reads the same everywhere."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, soft_wrap=False, width=None if stream.isatty() else 100)


def page() -> "Page":
    """The page that stdout is: as wide as the terminal, 100 columns and no colours in a file."""
    import shutil

    from stackgen.report.page import WIDEST, Page

    terminal = sys.stdout.isatty()
    return Page(
        width=min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST) if terminal else WIDEST,
        color=terminal and not os.environ.get("NO_COLOR"),
        unicode=(sys.stdout.encoding or "").lower().startswith("utf"),
    )


def print_diagnostics(
    diagnostics: tuple["Diagnostic", ...], source: "Source", *, blank: bool = False
) -> None:
    """Findings to stderr, each with its line of stack.yaml."""
    from stackgen.report.diagnostics import show

    if not diagnostics:
        return
    import shutil

    color = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size((100, 24)).columns if sys.stderr.isatty() else 100
    sys.stdout.flush()
    sys.stderr.write(("\n" if blank else "") + show(diagnostics, source, width=width, color=color))


def load(stack: Path) -> "Loaded":
    """The stack; ends with its findings when it is wrong."""
    from stackgen import app

    try:
        return app.load(stack)
    except app.WrongStackError as exc:
        print_diagnostics(exc.diagnostics, exc.source)
        raise typer.Exit(EXIT_WRONG) from exc


def require_lock(loaded: "Loaded") -> None:
    """End with exit status 3 unless every model is locked as it is asked for."""
    from stackgen import app

    if found := app.unlocked(loaded):
        print_diagnostics(found, loaded.source)
        raise typer.Exit(EXIT_OUT_OF_DATE)


def as_json(data: dict[str, Any]) -> str:
    """JSON, as files and stdout have it."""
    import json

    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def print_json(data: dict[str, Any]) -> None:
    """JSON to stdout."""
    sys.stdout.write(as_json(data))


def open_streams() -> None:
    """Python has no stream for a descriptor that the caller closed, as some service managers do."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - open until the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115


def drop_output() -> None:
    """Lets go of what could not be written, which Python would try once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_version(*, wanted: bool) -> None:
    """Print the version and end, if that is wanted."""
    if wanted:
        # Asked for with every command, and it takes longer than to parse a stack.
        from importlib.metadata import version as installed

        typer.echo(f"stackgen {installed('stackgen')}")
        raise typer.Exit


def note(text: str) -> None:
    """A line to stderr."""
    sys.stderr.write(text.rstrip("\n") + "\n")


def fail(message: str, hint: str | None = None) -> NoReturn:
    """End with a refused command line."""
    note(f"stackgen: {message}" + (f"\n  hint: {hint}" if hint else ""))
    raise typer.Exit(EXIT_USAGE)
