"""A plan for people: a bar and a table per GPU, hosts, scenarios."""

from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from stackgen.domain.footprint import Basis, Memory, Term, TermName
from stackgen.domain.plan import GpuLedger, Plan, Resident, Verdict
from stackgen.domain.units import GIB, show_size
from stackgen.report import bar

VERDICT_STYLE = {
    Verdict.FITS: "bold green",
    Verdict.OVER_BUDGET: "bold red",
    Verdict.UNKNOWN: "bold yellow",
    Verdict.INVALID: "bold red",
}
COLUMNS: tuple[tuple[str, tuple[TermName, ...]], ...] = (
    ("weights", (TermName.WEIGHTS, TermName.MMPROJ, TermName.DRAFT)),
    ("KV", (TermName.KV,)),
    ("state", (TermName.RECURRENT,)),
    ("compute", (TermName.COMPUTE,)),
    ("overhead", (TermName.CONTEXT,)),
    ("declared", (TermName.DECLARED,)),
)
UNLOCKED = "facts/unlocked"
"""The kind of finding that is shown with the plan, not in the list below it."""
NARROW = 84
"""Columns below which the terms of a resident are left to the bar and to --explain."""


def show(plan: Plan, console: Console) -> None:
    """Print a plan to a console of any width."""
    console.print(_head(plan))
    for ledger in plan.gpus:
        console.print()
        console.print(_gpu(ledger, console))
    if plan.gpus:
        console.print()
        console.print(_legend(plan, console))
    for part in (_hosts(plan), _limits(plan), _scenarios(plan), _unlocked(plan)):
        if part is not None:
            console.print()
            console.print(part)


def _head(plan: Plan) -> Text:
    counts = (("GPU", plan.gpus), ("service", plan.services), ("model", plan.stack.models))
    size = ", ".join(f"{len(things)} {name}{'s' * (len(things) != 1)}" for name, things in counts)
    return Text.assemble(
        (plan.stack.name, "bold"), ": ", (plan.verdict.value, VERDICT_STYLE[plan.verdict]), f"   ({size})"
    )


def _ascii(console: Console) -> bool:
    return not (console.encoding or "").lower().startswith("utf")


def _gpu(ledger: GpuLedger, console: Console) -> RenderableType:
    over = ledger.free < 0
    room = f"{show_size(-ledger.free)} too much" if over else f"{show_size(ledger.free)} free"
    title = Text.assemble(
        (f"{ledger.host} GPU {ledger.index}", "bold"),
        f"  {ledger.model}  ",
        f"{show_size(ledger.high)} of {show_size(ledger.usable)} usable, ",
        (room, "bold red" if over else "green"),
    )
    width = max(10, min(console.width, 100) - 4)
    line = Text("  ")
    for part, length in bar.runs(ledger, width):
        line.append((part.ascii if _ascii(console) else part.sign) * length, part.style)
    if not ledger.residents:
        return Group(title, line)
    return Group(title, line, _residents(ledger, narrow=console.width < NARROW))


def _legend(plan: Plan, console: Console) -> Text:
    used = [sum(column) for column in zip(*map(bar.amounts, plan.gpus), strict=True)]
    parts = [part for part, size in zip(bar.PARTS, used, strict=True) if size]
    over = [bar.OVER] if any(ledger.free < 0 for ledger in plan.gpus) else []
    text = Text("  ")
    for part in (*parts, bar.FREE, *over):
        text.append((part.ascii if _ascii(console) else part.sign) * 2, part.style)
        text.append(f" {part.name}   ")
    return text


def _residents(ledger: GpuLedger, *, narrow: bool) -> Table:
    table = Table(box=None, padding=(0, 1), show_edge=False, header_style="dim")
    columns = (
        []
        if narrow
        else [c for c in COLUMNS if any(t.high for _, m in ledger.residents for t in m.of(*c[1]))]
    )
    table.add_column("  loaded together, GiB", overflow="fold")
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("total", justify="right", no_wrap=True)
    table.add_column("basis", no_wrap=True, style="dim")
    for resident, memory in ledger.residents:
        cells = [interval(memory.of(*names)) for _, names in columns]
        label = f"  {resident.label}" + (" (loaded at start)" if resident.pinned else "")
        table.add_row(label, *cells, interval(memory.terms), weakest(memory).value)
    return table


def interval(terms: Iterable[Term]) -> str:
    """The sum of terms in GiB, as `1.25` or `0.15–0.75`; a dash for none."""
    listed = tuple(terms)
    low, high = sum(t.low for t in listed) / GIB, sum(t.high for t in listed) / GIB
    if not any(t.high for t in listed):
        return "-"
    return f"{high:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f}–{high:.2f}"


_TRUST = (Basis.CATALOG, Basis.DECLARED, Basis.MODELLED, Basis.MEASURED, Basis.EXACT)


def weakest(memory: Memory) -> Basis:
    """The least certain basis among what dominates: compute and overhead are always modelled."""
    terms = [t for t in memory.terms if t.name not in (TermName.COMPUTE, TermName.CONTEXT)] or list(
        memory.terms
    )
    return min((t.basis for t in terms), key=_TRUST.index, default=Basis.EXACT)


def _hosts(plan: Plan) -> Table | None:
    if not any(ledger.ram_high for ledger in plan.hosts):
        return None
    table = Table(box=None, padding=(0, 1), show_edge=False, header_style="dim")
    table.add_column("main memory")
    table.add_column("needed at worst", justify="right")
    table.add_column("there is", justify="right")
    for ledger in plan.hosts:
        there = "not told" if ledger.ram is None else show_size(ledger.ram)
        style = "red" if ledger.ram is not None and ledger.ram_high > ledger.ram else ""
        table.add_row(f"  {ledger.host}", show_size(ledger.ram_high), there, style=style)
    return table


def _limits(plan: Plan) -> Text | None:
    routers = [s for s in plan.services.values() if len(s.demand.residents) > 1]
    if not routers:
        return None
    text = Text("loaded at once", style="dim")
    for service in routers:
        text.append(
            f"\n  {service.linked.name}: {service.models_max} of {len(service.demand.residents)} models", ""
        )
    return text


def _scenarios(plan: Plan) -> Table | None:
    if not plan.scenarios:
        return None
    table = Table(box=None, padding=(0, 1), show_edge=False, header_style="dim")
    for name in ("scenario", "verdict", "expected", "tightest GPU"):
        table.add_column(name)
    for result in plan.scenarios:
        tightest = min(result.gpus, key=lambda g: g.free, default=None)
        room = "-"
        if tightest is not None:
            state = "too much" if tightest.free < 0 else "free"
            room = f"{tightest.host} GPU {tightest.index}: {show_size(abs(tightest.free))} {state}"
        style = "" if result.verdict is result.expected else "red"
        table.add_row(f"  {result.name}", result.verdict.value, result.expected.value, room, style=style)
    return table


def _unlocked(plan: Plan) -> Text | None:
    """One line for all models that the catalog stands in for; each has its own note in the JSON."""
    names = [str(d.path[-1]) for d in plan.diagnostics if d.kind == UNLOCKED]
    if not names:
        return None
    text = f"not locked, so planned from the built-in catalog: {', '.join(names)}"
    return Text(f"{text}\n  `stackgen lock` makes their figures exact", style="dim")


def explain(plan: Plan, wanted: str, console: Console) -> bool:
    """Print each formula of one `service/model` (or `service`); False when the plan has none of that name."""
    found = [r for s in plan.services.values() for r in s.demand.residents if wanted in (r.label, r.service)]
    for resident in found:
        _explain(plan, resident, console)
    return bool(found)


def _explain(plan: Plan, resident: Resident, console: Console) -> None:
    console.print(Text(resident.label, style="bold"))
    places = [(f"GPU {index}", memory) for index, memory in resident.gpus.items()] + [("host", resident.host)]
    for place, memory in places:
        if not memory.terms:
            continue
        console.print(Text(f"  {place}: {show_size(memory.low)} to {show_size(memory.high)}"))
        for term in memory.terms:
            size = (
                show_size(term.high)
                if term.low == term.high
                else f"{show_size(term.low)} to {show_size(term.high)}"
            )
            console.print(Text(f"    {term.name.value}: {size} ({term.basis.value})"))
            for line in term.formula.splitlines():
                console.print(Text(f"      {line}", style="dim"))
    service = plan.services[resident.service].linked
    console.print(Text(f"  on {service.host.name}, {len(service.gpus)} GPUs", style="dim"))
