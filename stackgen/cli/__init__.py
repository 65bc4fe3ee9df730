"""The command line: options in, one use-case, exit status out.

0 clean, 1 the stack is wrong or does not fit, 2 usage, 3 out of date, 70 a bug in stackgen, 130 interrupted.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen.cli.calibrate import calibrate
from stackgen.cli.estimate import estimate
from stackgen.cli.fit import fit
from stackgen.cli.init import init
from stackgen.cli.locking import download, lock
from stackgen.cli.models import models
from stackgen.cli.output import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OUT_OF_DATE,
    EXIT_USAGE,
    EXIT_WRONG,
    Locked,
    StackPath,
    drop_output,
    fail,
    load,
    note,
    open_streams,
    print_diagnostics,
    print_json,
    require_lock,
    show_version,
)
from stackgen.cli.plan import plan
from stackgen.cli.switch import switch

if TYPE_CHECKING:
    from stackgen.app import Loaded

cli = typer.Typer(
    name="stackgen",
    help="One stack.yaml in, a proof that it fits each GPU and every file out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@cli.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """One stack.yaml in, a proof that it fits each GPU and every file out."""


def render(
    stack: StackPath = Path(),
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="output folder, such as a GitOps checkout")
    ] = Path("out"),
    target: Annotated[
        list[str] | None,
        typer.Option(help="render only this target (repeatable); without it, the hosts' platforms"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; exit 3 when the folder is out of date")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="write nothing; print what would change")] = False,
    force: Annotated[bool, typer.Option("--force", help="overwrite files that were changed by hand")] = False,
    locked: Locked = False,
) -> None:
    """Write every file of a stack that fits. Touches only files that it owns."""
    loaded = load(stack)
    if locked:
        require_lock(loaded)
    raise typer.Exit(_render(loaded, out, tuple(target or ()), check=check, diff=diff, force=force))


def _render(
    loaded: "Loaded", out: Path, targets: tuple[str, ...], *, check: bool, diff: bool, force: bool
) -> int:
    from stackgen import app, registry
    from stackgen.domain.diagnostic import StackError, has_errors
    from stackgen.io import tree
    from stackgen.report.changes import show

    if unknown := sorted(set(targets) - set(registry.target_names())):
        fail(f"there is no target {unknown[0]!r}", f"there are: {', '.join(registry.target_names())}")
    planned = app.plan(loaded.stack, loaded.lock)
    try:
        output = app.render(planned, loaded.source, targets) if not has_errors(planned.diagnostics) else None
    except StackError as exc:
        print_diagnostics((*planned.diagnostics, *exc.diagnostics), loaded.source)
        return EXIT_WRONG
    print_diagnostics((*planned.diagnostics, *(output.diagnostics if output else ())), loaded.source)
    if output is None:
        note("nothing was rendered: the stack does not fit or is wrong; `stackgen plan` shows the figures")
        return EXIT_WRONG
    changes = tree.compare(out, output.files)
    if diff:
        from stackgen.io.diff import diff as unified

        sys.stdout.write(unified(changes))
    if not check and not diff:
        tree.apply(out, changes, force=force)
    note(show(changes, str(out), done=not check and not diff, force=force))
    return EXIT_OUT_OF_DATE if check and not changes.clean else 0


cli.command()(init)
cli.command()(plan)
cli.command()(render)
cli.command()(switch)
cli.command()(lock)
cli.command()(download)
cli.command(context_settings={"ignore_unknown_options": True})(estimate)
cli.command()(calibrate)
cli.command()(fit)
cli.command()(models)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of stack.yaml, for editors."""
    from stackgen import registry
    from stackgen.spec.schema import schema as build

    print_json(build(registry.engines()))


@cli.command()
def version() -> None:
    """Print the version."""
    show_version(wanted=True)


def main() -> None:
    """Run the command line; every failure has a message and an exit status of the contract."""
    import os

    from stackgen.domain.failure import Failure

    # Looking for plug-ins of pydantic reads every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    open_streams()
    try:
        try:
            cli()
        finally:
            sys.stdout.flush()
    except Failure as exc:
        note(f"stackgen: {exc}" + (f"\n  hint: {exc.hint}" if exc.hint else ""))
        sys.exit(exc.status)
    except KeyboardInterrupt:
        note("interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except OSError as exc:
        # What the program reads and writes has messages of its own: this is the output, to a disk that is full, say.
        drop_output()
        if not isinstance(exc, BrokenPipeError):
            note(f"stackgen: {exc}")
        sys.exit(EXIT_USAGE)
    except Exception:  # noqa: BLE001 - the last line of defence: a traceback is for us, not for users
        import traceback

        note("stackgen: this is a bug in stackgen, not in your stack; please report it with the lines below")
        traceback.print_exc()
        sys.exit(EXIT_BUG)
