"""`stackgen estimate`: what a llama-server command line takes, and what the engine itself says of it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgen.cli.output import fail, page, print_json
from stackgen.domain.llama import LATEST_BUILD

if TYPE_CHECKING:
    from stackgen.api import Estimate
    from stackgen.domain.witness import Comparison

Oracle = Annotated[
    bool,
    typer.Option("--oracle", help="ask your own llama-fit-params too, and show its figures beside ours"),
]
LlamaBin = Annotated[
    Path | None,
    typer.Option("--llama-bin", metavar="DIR", help="folder with llama-fit-params and ggml-rpc-server"),
]


def estimate(
    model: Annotated[str, typer.Argument(help="a GGUF file, or just its header")],
    flags: Annotated[list[str] | None, typer.Argument(help="llama-server's own flags, after --")] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            "-d",
            metavar="SIZE",
            help="usable memory of a GPU, such as 24GiB, or its name, such as rtx-3090 (repeatable)",
        ),
    ] = None,
    build: Annotated[
        int, typer.Option(metavar="NUMBER", help="llama.cpp's build; without it, the newest that is known")
    ] = LATEST_BUILD,
    as_json: Annotated[bool, typer.Option("--json", help="print bytes as JSON")] = False,
    oracle: Oracle = False,
    llama_bin: LlamaBin = None,
) -> None:
    """Show what a llama-server command line takes on each GPU."""
    from stackgen.api import estimate as run
    from stackgen.api import parse_argv
    from stackgen.memory.errors import UnknownArchitecture

    devices = tuple(_device(d) for d in device or ())
    ours, said = None, None
    try:
        ours = run(model, argv=flags or (), devices=devices, build=build)
    except UnknownArchitecture:
        # What no rule of ours explains, the engine may know.
        if not oracle:
            raise
    if oracle:
        from stackgen.app.witness import of_file

        said = of_file(Path(model), parse_argv(flags or (), build=build), devices, llama_bin)
    _print(ours, said, as_json=as_json)


def _print(ours: "Estimate | None", said: "Comparison | None", *, as_json: bool) -> None:
    if as_json:
        from stackgen.report.witness import as_dict

        data: dict[str, Any] = ours.to_dict() if ours else {}
        if data or said:
            print_json(data | ({"oracle": as_dict(said)} if said else {}))
        return
    if ours:
        from stackgen.report.estimate import show

        sys.stdout.write(show(ours, page()))
    if said:
        from stackgen.report.witness import show as show_witness

        sys.stdout.write(("\n" if ours else "") + show_witness((said,), page()))


def _device(text: str) -> int:
    from stackgen.data import gpus
    from stackgen.domain.units import parse_size

    if found := gpus.gpu(text):
        return found.capacity
    try:
        return parse_size(text)
    except ValueError as exc:
        fail(f"--device: {exc}", "or name a card of the built-in table, such as rtx-3090")


def print_witness(comparisons: Sequence["Comparison"]) -> None:
    """What the engine said of a plan."""
    from stackgen.report.witness import show

    if comparisons:
        sys.stdout.write("\n" + show(comparisons, page()))
