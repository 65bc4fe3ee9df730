"""An estimate for people: one row per place."""

from typing import TYPE_CHECKING

from stackgen.domain.footprint import Memory
from stackgen.domain.units import show_size
from stackgen.report.page import Page, columns
from stackgen.report.plan import TERMS, interval

if TYPE_CHECKING:
    from stackgen.api import Estimate


def show(estimate: "Estimate", page: Page) -> str:
    """What each GPU and the host take, in GiB, and the sum of the GPUs."""
    facts, places = estimate.facts, (*estimate.footprint.devices, estimate.footprint.host)
    names = [*(f"GPU {i}" for i in range(len(estimate.footprint.devices))), "host"]
    used = [c for c in TERMS if any(t.high for m in places for t in m.of(*c[1]))]

    def cells(memory: Memory) -> list[str]:
        return [*(interval(memory.of(*terms)) for _, terms in used), interval(memory.terms)]

    rows = [["GiB", *(name for name, _ in used), "total"]]
    rows += [[name, *cells(memory)] for name, memory in zip(names, places, strict=True)]
    head, *body = columns(rows, right=range(1, len(rows[0])))
    high = show_size(sum(m.high for m in estimate.footprint.devices))
    title = f"{facts.name or facts.architecture} ({facts.architecture}, {facts.n_layer} layers)"
    note = f"{high} on all GPUs at worst, without the driver's own 150 to 750 MiB per GPU and process"
    lines = [page.style(title, "bold"), page.style(head, "dim"), *body]
    return "\n".join([*lines, *(page.style(line, "dim") for line in page.wrapped(note))]) + "\n"
