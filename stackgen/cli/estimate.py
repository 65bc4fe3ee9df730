"""`stackgen estimate`: what a llama-server command line takes, and what the engine itself says of it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgen.cli.output import EXIT_WRONG, fail, page, print_json
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
    """Show what a llama-server command line takes on each GPU. Exit status 1 when it does not fit (not with --json)."""
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
    if as_json:
        _print_json(ours, said)
        return
    _print(ours, said, devices, _left_out(flags or (), build))
    if ours and any(m.high > size for m, size in zip(ours.footprint.devices, devices, strict=True)):
        raise typer.Exit(EXIT_WRONG)


def _left_out(flags: Sequence[str], build: int) -> list[str]:
    """Options that bring weights of their own, which are not in the file that is estimated."""
    from stackgen.engines.llama_server.argv import parse_argv

    parsed = parse_argv(flags, build=build)
    return [name for name, given in (("--mmproj", parsed.mmproj), ("the draft model", parsed.draft)) if given]


def _print_json(ours: "Estimate | None", said: "Comparison | None") -> None:
    if ours or said:
        from stackgen.report.witness import as_dict

        data: dict[str, Any] = ours.to_dict() if ours else {}
        print_json(data | ({"oracle": as_dict(said)} if said else {}))


def _print(
    ours: "Estimate | None", said: "Comparison | None", devices: Sequence[int], left_out: Sequence[str]
) -> None:
    if ours:
        from stackgen.report.estimate import show

        sys.stdout.write(show(ours, page(), devices, left_out))
    if said:
        from stackgen.report.witness import show as show_witness

        sys.stdout.write(("\n" if ours else "") + show_witness((said,), page()))


def _device(text: str) -> int:
    from stackgen.data import gpus
    from stackgen.domain.diagnostic import did_you_mean
    from stackgen.domain.units import parse_size

    if found := gpus.gpu(text):
        return found.capacity
    try:
        return parse_size(text)
    except ValueError as exc:
        near = did_you_mean(text, gpus.names()) if any(c.isalpha() for c in text) else None
        fail(f"--device: {exc}", near or "or name a card of the built-in table, such as rtx-3090")


def print_witness(comparisons: Sequence["Comparison"]) -> None:
    """What the engine said of a plan."""
    if comparisons:
        from stackgen.report.witness import show

        sys.stdout.write("\n" + show(comparisons, page()))
