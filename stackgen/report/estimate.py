"""An estimate for people: one row per place, and whether that is enough."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from stackgen.domain.footprint import Memory
from stackgen.domain.units import GIB, MIB, show_size
from stackgen.report.page import Page, columns
from stackgen.report.plan import TERMS, interval

if TYPE_CHECKING:
    from stackgen.api import Estimate

_OVERHEAD: Final = 750 * MIB
"""What a process may take of a GPU before it holds anything, see data/process_overhead.toml."""


def show(estimate: "Estimate", page: Page, devices: Sequence[int], left_out: Sequence[str] = ()) -> str:
    """What each GPU and the host take, in GiB, beside what `devices` have. `left_out`: arguments not counted."""
    facts, places = estimate.facts, (*estimate.footprint.devices, estimate.footprint.host)
    names = [*(f"GPU {i}" for i in range(len(devices))), "host"]
    used = [c for c in TERMS if any(t.high for m in places for t in m.of(*c[1]))]
    left = [size - memory.high for size, memory in zip(devices, estimate.footprint.devices, strict=True)]

    def cells(memory: Memory) -> list[str]:
        return [*(interval(memory.of(*terms)) for _, terms in used), interval(memory.terms)]

    rows = [["GiB", *(name for name, _ in used), "total", *(("of", "left") if devices else ())]]
    room = [[f"{size / GIB:.2f}", f"{free / GIB:.2f}"] for size, free in zip(devices, left, strict=True)]
    rows += [
        [name, *cells(memory), *more]
        for name, memory, more in zip(names, places, [*room, ["", ""] if devices else []], strict=True)
    ]
    head, *body = columns(rows, right=range(1, len(rows[0])))
    title = f"{facts.name or facts.architecture} ({facts.architecture}, {facts.n_layer} layers)"
    missing = [f"not counted, for they are files of their own: {', '.join(left_out)}"] if left_out else []
    notes = [*missing, _verdict(left)]
    lines = [page.style(title, "bold"), page.style(head, "dim"), *body]
    lines += [page.style(line, "dim") for note in notes for line in page.wrapped(note)]
    return "\n".join(lines) + "\n"


def _verdict(left: Sequence[int]) -> str:
    own = "150 to 750 MiB per GPU and process"
    if not left:
        return "all on the CPU; name each GPU with -d, as in -d rtx-3090 or -d 24GiB"
    if lacking := [f"GPU {i} lacks {show_size(-free)}" for i, free in enumerate(left) if free < 0]:
        return f"does not fit at worst: {', '.join(lacking)}, and the driver takes its own {own}"
    if min(left) < _OVERHEAD:
        return f"fits if the driver takes little: its own {own} is not counted here"
    return f"fits, with room for the driver's own {own}"
