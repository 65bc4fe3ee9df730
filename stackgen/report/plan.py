"""A plan for people: a bar and a table per GPU, hosts, scenarios."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.footprint import Basis, Memory, Term, TermName
from stackgen.domain.plan import GpuLedger, Plan, Resident, Verdict
from stackgen.domain.units import GIB, show_size
from stackgen.report import bar, downloads
from stackgen.report.hosts import tables
from stackgen.report.page import Page, columns
from stackgen.report.verdict import wrong_though_it_fits

VERDICT_STYLE = {
    Verdict.FITS: "bold green",
    Verdict.OVER_BUDGET: "bold red",
    Verdict.UNKNOWN: "bold yellow",
    Verdict.INVALID: "bold red",
}
TERMS: tuple[tuple[str, tuple[TermName, ...]], ...] = (
    ("weights", (TermName.WEIGHTS, TermName.MMPROJ, TermName.DRAFT)),
    ("KV", (TermName.KV,)),
    ("state", (TermName.RECURRENT,)),
    ("compute", (TermName.COMPUTE,)),
    ("overhead", (TermName.CONTEXT,)),
    ("declared", (TermName.DECLARED,)),
)
UNLOCKED = "facts/unlocked"
"""The kind of finding that is shown with the plan, not in the list below it."""
OVER_BUDGET = "plan/over-budget"
"""The kind whose ways out are shown with the plan."""


def show(plan: Plan, page: Page) -> str:
    """The whole plan as text of at most the page's width."""
    blocks = [_head(plan, page), *(list(_gpus(plan, alike, page)) for alike in _alike(plan.gpus))]
    if plan.gpus:
        blocks.append(_legend(plan, page))
    blocks += [_hosts(plan, page), _limits(plan), _scenarios(plan, page)]
    blocks += [downloads.block(plan, page), _unlocked(plan, page)]
    if plan.shortfalls:
        from stackgen.report import advice

        blocks.append(advice.block(plan, page))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def beside(plan: Plan) -> tuple[Diagnostic, ...]:
    """What is left to say of a plan that is shown."""
    return tuple(
        replace(found, hint=None) if found.kind == OVER_BUDGET and plan.shortfalls else found
        for found in plan.diagnostics
        if found.kind != UNLOCKED
    )


def _head(plan: Plan, page: Page) -> list[str]:
    counts = (("GPU", plan.gpus), ("service", plan.services), ("model", plan.stack.models))
    size = ", ".join(f"{len(things)} {name}{'s' * (len(things) != 1)}" for name, things in counts)
    verdict = page.style(plan.verdict.value, VERDICT_STYLE[plan.verdict])
    but = wrong_though_it_fits(plan)
    head = f"{page.style(plan.stack.name, 'bold')}: {verdict}{page.style(but, 'red')}"
    if len(plan.stack.name) + len(plan.verdict.value) + len(but) + len(size) + 6 <= page.width:
        return [f"{head}  ({size})"]
    return [head, f"  {size}"]


def _unsized(plan: Plan, ledger: GpuLedger) -> list[str]:
    """Who else sits on a GPU, with memory of which nothing is known."""
    here = (
        service
        for service in plan.services.values()
        if service.demand.unknown
        and service.linked.host.name == ledger.host
        and any(gpu.index == ledger.index for gpu in service.linked.gpus)
    )
    return [
        f"{service.linked.name}/{use.id}"
        for service in here
        for use in service.linked.models
        if use.id not in {resident.use for resident in service.demand.residents}
    ]


def _alike(ledgers: Iterable[GpuLedger]) -> Iterator[list[GpuLedger]]:
    """GPUs one after the other that hold the same, of which one is shown for all."""

    def looks(ledger: GpuLedger) -> object:
        who = [(resident.label, memory) for resident, memory in ledger.residents]
        # A GPU with nothing on it is one that somebody forgot; it is shown by itself.
        return (ledger.host, ledger.model, ledger.capacity, ledger.usable, who or ledger.index)

    for _, alike in groupby(ledgers, looks):
        yield list(alike)


def _gpus(plan: Plan, alike: Sequence[GpuLedger], page: Page) -> Iterator[str]:
    ledger, unsized = alike[0], _unsized(plan, alike[0])
    over = ledger.free < 0
    room = f"{show_size(abs(ledger.free))} {'too much' if over else 'free'}"
    which = f"GPU {ledger.index}" if len(alike) == 1 else f"GPUs {ledger.index} to {alike[-1].index}, each"
    yield page.style(f"{ledger.host} {which}", "bold") + f"  {ledger.model}"
    room = page.style(room, "bold red" if over else "bold yellow" if unsized else "green")
    yield f"  {show_size(ledger.high)} of {show_size(ledger.usable)}, {room}"
    if unsized:
        text = f"  without {', '.join(unsized)}, of which nothing is known"
        yield from (page.style(line, "bold yellow") for line in page.wrapped(text, "    "))
    runs = bar.runs(ledger, max(10, page.width - 4))
    yield "  " + "".join(page.style(page.pick(p.sign, p.ascii) * length, p.style) for p, length in runs)
    if ledger.residents:
        yield from _residents(ledger, page)


def _residents(ledger: GpuLedger, page: Page) -> list[str]:
    """Who is loaded together: without the basis, or without the single terms, where the page is narrow."""
    used = [c for c in TERMS if any(t.high for _, m in ledger.residents for t in m.of(*c[1]))]
    rows = _rows(ledger, used)
    tables = [_aligned(cells) for cells in (rows, [row[:-1] for row in rows], _rows(ledger, ()))]
    lines = next((t for t in tables if max(map(len, t)) <= page.width), tables[-1])
    head, *body = (line[: page.width] for line in lines)
    return [page.style(head, "dim"), *body]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    return columns(rows, right=(i for i, name in enumerate(rows[0]) if i and name != "basis"))


def _rows(ledger: GpuLedger, shown: Sequence[tuple[str, tuple[TermName, ...]]]) -> list[list[str]]:
    rows = [["loaded together, GiB", *(name for name, _ in shown), "total", "basis"]]
    for resident, memory in ledger.residents:
        terms = (interval(memory.of(*names)) for _, names in shown)
        label = f"{resident.label} (at start)" if resident.pinned else resident.label
        rows.append([label, *terms, interval(memory.terms), weakest(memory).value])
    return rows


def _legend(plan: Plan, page: Page) -> list[str]:
    used = [sum(column) for column in zip(*map(bar.amounts, plan.gpus), strict=True)]
    parts = [part for part, size in zip(bar.PARTS, used, strict=True) if size]
    over = [bar.OVER] if any(ledger.free < 0 for ledger in plan.gpus) else []
    lines, length = ["  "], 2
    for part in (*parts, bar.FREE, *over):
        if length + len(part.name) + 6 > page.width:
            lines, length = [*lines, "  "], 2
        lines[-1] += page.style(page.pick(part.sign, part.ascii) * 2, part.style) + f" {part.name}   "
        length += len(part.name) + 6
    return [line.rstrip() for line in lines]


def interval(terms: Iterable[Term]) -> str:
    """The sum of terms in GiB, as `1.25` or `0.15-0.75`; a dash for none."""
    listed = tuple(terms)
    low, high = sum(t.low for t in listed) / GIB, sum(t.high for t in listed) / GIB
    if not any(t.high for t in listed):
        return "-"
    return f"{high:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f}-{high:.2f}"


_TRUST = (Basis.CATALOG, Basis.DECLARED, Basis.MODELLED, Basis.MEASURED, Basis.EXACT)


def weakest(memory: Memory) -> Basis:
    """The least certain basis among what dominates: compute and overhead are always modelled."""
    terms = [t for t in memory.terms if t.name not in (TermName.COMPUTE, TermName.CONTEXT)] or list(
        memory.terms
    )
    return min((t.basis for t in terms), key=_TRUST.index, default=Basis.EXACT)


def _hosts(plan: Plan, page: Page) -> list[str]:
    lines: list[str] = []
    for table in tables(plan):
        rows = [[table.title, *table.head], *table.rows]
        head, *body = (line[: page.width] for line in columns(rows, right=range(1, len(rows[0]))))
        lines += [*([""] if lines else []), page.style(head, "dim")]
        lines += [page.style(b, "red" if o else "") for b, o in zip(body, table.over, strict=True)]
    return lines


def _limits(plan: Plan) -> list[str]:
    lines = []
    for service in plan.services.values():
        count = len(service.demand.residents)
        if count > 1:
            lines.append(
                f"  {service.linked.name}: {min(service.models_max, count)} of {count} models at once"
            )
    return lines


def _scenarios(plan: Plan, page: Page) -> list[str]:
    if not plan.scenarios:
        return []
    rows = [["scenario", "verdict", "expected", "tightest GPU"]]
    for result in plan.scenarios:
        tightest = min(result.gpus, key=lambda g: g.free, default=None)
        room = "-"
        if tightest is not None:
            state = "too much" if tightest.free < 0 else "free"
            room = f"{tightest.host} GPU {tightest.index}: {show_size(abs(tightest.free))} {state}"
        rows.append([result.name, result.verdict.value, result.expected.value, room])
    lines = columns(rows)
    if max(map(len, lines)) > page.width:
        lines = columns([row[:3] for row in rows])
    head, *body = (line[: page.width] for line in lines)
    styles = ("" if r.verdict is r.expected else "red" for r in plan.scenarios)
    return [page.style(head, "dim"), *(page.style(line, s) for line, s in zip(body, styles, strict=True))]


def _unlocked(plan: Plan, page: Page) -> list[str]:
    """One sentence for all models that the catalog stands in for; each has its own note in the JSON."""
    names = [str(d.path[-1]) for d in plan.diagnostics if d.kind == UNLOCKED]
    if not names:
        return []
    text = f"not locked, so planned from the built-in catalog: {', '.join(names)}; `stackgen lock` makes it exact"
    return [page.style(line, "dim") for line in page.wrapped(text)]


def explain(plan: Plan, wanted: str, page: Page) -> str:
    """Each formula of one `service/model` (or `service`) with its numbers; nothing when the plan has no such."""
    found = [r for s in plan.services.values() for r in s.demand.residents if wanted in (r.label, r.service)]
    return "".join(line + "\n" for resident in found for line in _explained(resident, page))


def _explained(resident: Resident, page: Page) -> Iterator[str]:
    yield page.style(resident.label, "bold")
    places = [(f"GPU {index}", memory) for index, memory in resident.gpus.items()]
    for place, memory in [*places, ("host", resident.host)]:
        terms = [term for term in memory.terms if term.high]
        if terms:
            yield f"  {place}: {_bounds(memory.low, memory.high)}"
        for term in terms:
            yield f"    {term.name.value}: {_bounds(term.low, term.high)} ({term.basis.value})"
            for line in term.formula.splitlines():
                yield from (page.style(part, "dim") for part in page.wrapped(f"      {line}", "        "))


def _bounds(low: int, high: int) -> str:
    return show_size(high) if low == high else f"{show_size(low)} to {show_size(high)}"
