"""`stackgen fit`: which quantization, context and cache type of a model fit here, the best first."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen.cli.output import EXIT_WRONG, StackPath, fail, load, page, print_json

if TYPE_CHECKING:
    from stackgen.domain.fit import Fits


class FitFormat(StrEnum):
    """How to print what fits."""

    text = "text"
    json = "json"


def fit(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="a service, service/model or model of the stack; with --gpu a name that `stackgen models` lists, "
            "owner/repo of the hub, or a GGUF file",
        ),
    ],
    stack: StackPath = Path(),
    gpu: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CARD",
            help="no stack, but this card: rtx-3090, 24GiB or rtx-3090:reserve=2GiB (repeatable)",
        ),
    ] = None,
    ram: Annotated[
        str | None, typer.Option(metavar="SIZE", help="main memory beside --gpu, such as 64GB")
    ] = None,
    context: Annotated[
        int | None, typer.Option(metavar="TOKENS", min=1, help="the context that is wanted")
    ] = None,
    output: Annotated[FitFormat, typer.Option("--format", help="how to print it")] = FitFormat.text,
) -> None:
    """Show which quantization, context and cache type of a model fit, best first. Exit status 1 when none does."""
    from stackgen.app import fitting
    from stackgen.report.fit import as_json, show

    found: tuple[Fits, ...]
    if gpu:
        found = (fitting.alone(name, [fitting.card(text) for text in gpu], ram, context),)
    else:
        if stack == Path() and not Path("stack.yaml").is_file():
            fail(
                "there is no stack.yaml here",
                f"name your cards: stackgen fit {name} --gpu rtx-3090 --gpu 24GiB",
            )
        loaded = load(stack)
        found = fitting.in_stack(loaded.stack, loaded.lock, name, context)
    if output is FitFormat.json:
        print_json(as_json(found))
    else:
        sys.stdout.write(show(found, page(), alone=bool(gpu)))
    raise typer.Exit(0 if all(fits.rows for fits in found) else EXIT_WRONG)
