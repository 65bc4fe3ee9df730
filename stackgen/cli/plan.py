"""`stackgen plan`: what sits on each GPU, in one of several formats."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen.cli.estimate import LlamaBin, Oracle, print_witness
from stackgen.cli.output import (
    EXIT_WRONG,
    Locked,
    StackPath,
    fail,
    page,
    print_diagnostics,
    print_json,
    require_lock,
)

if TYPE_CHECKING:
    from stackgen.app import Loaded, WrongStackError
    from stackgen.domain.plan import Plan
    from stackgen.domain.witness import Comparison


class PlanFormat(StrEnum):
    """How to print a plan."""

    text = "text"
    json = "json"
    markdown = "markdown"
    github = "github"
    html = "html"
    junit = "junit"


def plan(
    stack: StackPath = Path(),
    output: Annotated[PlanFormat, typer.Option("--format", help="how to print it")] = PlanFormat.text,
    explain: Annotated[
        str | None, typer.Option(metavar="SERVICE/MODEL", help="print each formula with its numbers")
    ] = None,
    targets: Annotated[
        bool, typer.Option("--targets", help="find what the hosts' platforms refuse, too, as render does")
    ] = False,
    locked: Locked = False,
    oracle: Oracle = False,
    llama_bin: LlamaBin = None,
) -> None:
    """Show what sits on each GPU, what is free, and what to change. Exit status 1 when it does not fit."""
    from stackgen import app
    from stackgen.domain.diagnostic import has_errors

    try:
        loaded = app.load(stack)
    except app.WrongStackError as exc:
        _print_wrong(exc, output)
        raise typer.Exit(EXIT_WRONG) from exc
    if locked:
        require_lock(loaded)
    planned = app.plan(loaded.stack, loaded.lock)
    if targets:
        planned = app.with_refusals(planned, loaded.source)
    comparisons: tuple[Comparison, ...] = ()
    if oracle:
        from stackgen.app.witness import of_plan

        planned, comparisons = of_plan(loaded, planned, llama_bin)
    if explain is not None:
        _explain(planned, explain)
    else:
        _print_plan(planned, loaded, output, comparisons)
    raise typer.Exit(EXIT_WRONG if has_errors(planned.diagnostics) else 0)


def _print_plan(
    planned: "Plan", loaded: "Loaded", output: PlanFormat, comparisons: tuple["Comparison", ...]
) -> None:
    if output is PlanFormat.text:
        from stackgen.report.plan import beside, show

        sys.stdout.write(show(planned, page()))
        print_witness(comparisons)
        print_diagnostics(beside(planned), loaded.source, blank=True)
    elif output is PlanFormat.json:
        from stackgen.report.machine import as_json

        print_json(as_json(planned, loaded.source, planned.diagnostics))
    elif output is PlanFormat.markdown:
        from stackgen.report.machine import as_markdown

        sys.stdout.write(as_markdown(planned, planned.diagnostics))
    elif output is PlanFormat.html:
        from stackgen.report.html import as_html

        sys.stdout.write(as_html(planned, loaded.source))
    elif output is PlanFormat.junit:
        from stackgen.report.junit import as_junit

        sys.stdout.write(as_junit(planned, loaded.source, planned.diagnostics))
    else:
        from stackgen.report.diagnostics import github

        sys.stdout.write(github(planned.diagnostics, loaded.source))


def _print_wrong(exc: "WrongStackError", output: PlanFormat) -> None:
    if output is PlanFormat.json:
        from stackgen.report.machine import invalid_json

        print_json(invalid_json(exc.source, exc.diagnostics))
    elif output is PlanFormat.github:
        from stackgen.report.diagnostics import github

        sys.stdout.write(github(exc.diagnostics, exc.source))
    elif output is PlanFormat.junit:
        from stackgen.report.junit import as_junit

        sys.stdout.write(as_junit(None, exc.source, exc.diagnostics))
    else:
        print_diagnostics(exc.diagnostics, exc.source)


def _explain(planned: "Plan", wanted: str) -> None:
    from stackgen.report.plan import explain

    text = explain(planned, wanted, page())
    sys.stdout.write(text)
    if not text:
        names = ", ".join(r.label for s in planned.services.values() for r in s.demand.residents)
        fail(f"nothing in the plan is called {wanted!r}", f"there is: {names}")
