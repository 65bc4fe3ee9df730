"""`stackgen init`: a first stack.yaml for this machine, or for one whose cards are named."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stackgen.cli.output import page


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the file to write, or its folder")] = Path(),
    gpu: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CARD", help="not this machine's cards, but this: rtx-3090, or 24GiB (repeatable)"
        ),
    ] = None,
    ram: Annotated[str | None, typer.Option(metavar="SIZE", help="main memory, such as 64GB")] = None,
    platform: Annotated[str | None, typer.Option(help="what runs services there, such as compose")] = None,
    name: Annotated[str | None, typer.Option(help="the stack's name")] = None,
) -> None:
    """Write a first stack.yaml that fits this machine. Asks nothing, and never overwrites a file."""
    from stackgen.app import beginning
    from stackgen.domain.machine import Machine
    from stackgen.io import machine, stackfile
    from stackgen.report import init as report

    notes: tuple[str, ...] = ()
    if gpu:
        there = Machine(name="box")
        cards = beginning.named(gpu)
    else:
        there = machine.detect()
        cards, notes = beginning.found(there)
    begun = beginning.begin(there, cards, ram, name=name, platform=platform)
    written = stackfile.create(file, begun.text)
    sys.stdout.write(report.show(begun, notes, str(written), page()))
