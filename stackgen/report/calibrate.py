"""A load log beside the plan, for people, and the entry to paste into stack.yaml."""

import json
from collections.abc import Iterator, Sequence

from stackgen.domain.calibration import Calibration, Row
from stackgen.domain.loadlog import LoadLog
from stackgen.domain.units import MIB
from stackgen.report.page import Page, columns


def show(calibrations: Sequence[Calibration], page: Page) -> str:
    """A table for each model: our interval, the logged figure, and how far it is outside."""
    return "\n\n".join("\n".join(_block(c, page)) for c in calibrations) + "\n"


def _block(c: Calibration, page: Page) -> Iterator[str]:
    yield page.style(c.label, "bold") + (f"  logged by llama-server {c.build}" if c.build else "")
    rows = [["MiB", "term", "planned", "logged", "off"]]
    rows += [[r.place, r.term, _planned(r), _mib(r.logged), _off(r)] for r in c.rows]
    head, *body = columns(rows, right=(2, 3, 4))
    yield page.style(head, "dim")
    for row, line in zip(c.rows, body, strict=True):
        yield page.style(line, "yellow" if _beyond(row) else "")
    for text in c.mismatches:
        yield from (page.style(line, "red") for line in page.wrapped(f"  not the same: {text}", "    "))
    for text in c.notes:
        yield from (page.style(line, "dim") for line in page.wrapped(f"  {text}", "    "))


def _planned(row: Row) -> str:
    """The interval, or one figure where there is none; a log has two decimals, so have we."""
    if not row.high:
        return "-"
    low, high = _mib(row.low), _mib(row.high)
    return high if low == high else f"{low}-{high}"


def _off(row: Row) -> str:
    if not _beyond(row):
        return "-"
    return f"{row.outside / MIB:+.2f}"


def _beyond(row: Row) -> bool:
    """Whether a figure is outside by more than its rounding."""
    return row.high > 0 and abs(row.outside) > MIB // 20


def _mib(size: int) -> str:
    return f"{size / MIB:.2f}"


def entry(calibrations: Sequence[Calibration]) -> str:
    """`measured` of stack.yaml, as YAML; nothing for loads that are not what was planned."""
    lines = ["measured:"]
    for c in calibrations:
        if c.mismatches:
            continue
        sizes = ", ".join(f"{-(-size // MIB)}MiB" for size in c.gpus)
        lines += [f"  - use: {c.label}", f"    gpus: [{sizes}]"]
        lines.append(f"    reason: {json.dumps(c.reason)}")
    return "\n".join(lines) + "\n" if len(lines) > 1 else ""


def show_loads(found: Sequence[LoadLog], page: Page) -> str:
    """What a log says, without any plan to compare it with."""
    return "\n\n".join("\n".join(_load(load, page)) for load in found) + "\n"


def _load(load: LoadLog, page: Page) -> Iterator[str]:
    yield page.style(load.instance or load.model or "a model", "bold") + (
        f"  llama-server {load.build}" if load.build else ""
    )
    names = ("model", "kv", "recurrent", "compute", "output", "projector", "draft", "adapter")
    used = [n for n in names if any(getattr(b, n) for b in load.buffers.values())]
    rows = [["MiB", *used, "total"]]
    rows += [[name, *(_mib(getattr(b, n)) for n in used), _mib(b.total)] for name, b in load.buffers.items()]
    if not load.buffers:
        rows = [["MiB", "model", "context", "compute"]]
        rows += [[n, str(b.model), str(b.context), str(b.compute)] for n, b in load.breakdown.items()]
    head, *body = columns(rows, right=range(1, len(rows[0])))
    yield page.style(head, "dim")
    yield from body
