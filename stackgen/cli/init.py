"""`stackgen init`: a first stack.yaml for this machine, or for one whose cards are named."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stackgen.cli.output import as_json, page


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the file to write, or its folder")] = Path(),
    gpu: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CARD",
            help="not this machine's cards, but this: rtx-3090, 24GiB or rtx-3090:reserve=2GiB (repeatable)",
        ),
    ] = None,
    ram: Annotated[str | None, typer.Option(metavar="SIZE", help="main memory, such as 64GB")] = None,
    platform: Annotated[str | None, typer.Option(help="what runs services there, such as compose")] = None,
    name: Annotated[str | None, typer.Option(help="the stack's name")] = None,
) -> None:
    """Write a first stack.yaml that fits this machine, and its JSON Schema. Asks nothing, overwrites nothing."""
    from stackgen import registry
    from stackgen.app import beginning
    from stackgen.domain.machine import Machine
    from stackgen.io import machine, stackfile
    from stackgen.report import init as report
    from stackgen.spec.beginning import SCHEMA
    from stackgen.spec.schema import schema

    notes: tuple[str, ...] = ()
    if gpu:
        there = Machine(name="box")
        cards = beginning.named(gpu)
    else:
        there = machine.detect()
        cards, notes = beginning.found(there)
    begun = beginning.begin(there, cards, ram, name=name, platform=platform)
    written = stackfile.create(file, begun.text)
    stackfile.beside(written, SCHEMA, as_json(schema(registry.engines())))
    sys.stdout.write(report.show(begun, notes, str(written), page()))
