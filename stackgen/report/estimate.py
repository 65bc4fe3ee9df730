"""An estimate for people: one row per place."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stackgen.domain.footprint import Memory, TermName
from stackgen.domain.units import show_size
from stackgen.report.plan import interval

if TYPE_CHECKING:
    from stackgen.api import Estimate

COLUMNS: tuple[tuple[str, tuple[TermName, ...]], ...] = (
    ("weights", (TermName.WEIGHTS, TermName.MMPROJ, TermName.DRAFT)),
    ("KV", (TermName.KV,)),
    ("state", (TermName.RECURRENT,)),
    ("compute", (TermName.COMPUTE,)),
)


def show(estimate: "Estimate", console: Console) -> None:
    """Print what each GPU and the host take, in GiB, and the sum as an interval."""
    facts = estimate.facts
    head = f"{facts.name or facts.architecture} ({facts.architecture}, {facts.n_layer} layers)"
    console.print(Text(head, style="bold"))
    table = Table(box=None, padding=(0, 1), show_edge=False, header_style="dim")
    table.add_column("GiB")
    for name, _ in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("total", justify="right", no_wrap=True)
    for index, memory in enumerate(estimate.footprint.devices):
        table.add_row(f"GPU {index}", *_cells(memory))
    table.add_row("host", *_cells(estimate.footprint.host))
    console.print(table)
    high = show_size(sum(m.high for m in estimate.footprint.devices))
    note = f"{high} on all GPUs at worst, without the driver's own 150 to 750 MiB per GPU and process"
    console.print(Text(note, style="dim"))


def _cells(memory: Memory) -> list[str]:
    return [*(interval(memory.of(*names)) for _, names in COLUMNS), interval(memory.terms)]
