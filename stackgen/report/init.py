"""What `stackgen init` found, wrote, and what to do next."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stackgen.report.page import Page

if TYPE_CHECKING:
    from stackgen.app.beginning import Begun


def show(begun: "Begun", notes: Sequence[str], file: str, page: Page) -> str:
    """Some lines for people."""
    cards = ", ".join(begun.cards) or "no GPU"
    ram = f"; {begun.ram} of main memory" if begun.ram else ""
    lines = [
        *page.wrapped(f"machine: {cards}{ram}"),
        *page.wrapped(f"model:   {begun.model}"),
        *page.wrapped(f"wrote:   {file}"),
        *(line for note in (*notes, *begun.notes) for line in page.wrapped(f"note:    {note}", "         ")),
        "",
        page.style("next", "bold"),
    ]
    there = "" if file == "stack.yaml" else f" {file}"
    width = max(18, len(f"stackgen render{there} -o out") + 2)
    for command, about in (
        (f"plan{there}", "what sits on each GPU, what is free, what to change"),
        (f"fit llama{there}", "which quantization and context would fit"),
        (f"lock{there}", "pins every model, after which figures are exact"),
        (f"render{there} -o out", "every file that runs it"),
    ):
        lines.append(f"  {'stackgen ' + command:<{width}}{about}"[: max(page.width, 40)])
    return "\n".join(lines) + "\n"
