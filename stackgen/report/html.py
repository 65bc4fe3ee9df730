"""A plan as one page for a browser: no scripts, nothing from elsewhere."""

from collections.abc import Iterable, Iterator, Sequence

from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.plan import GpuLedger, Plan, Shortfall
from stackgen.domain.source import Source
from stackgen.domain.units import show_size
from stackgen.report import bar
from stackgen.report.diagnostics import as_dicts
from stackgen.report.hosts import tables
from stackgen.report.plan import TERMS, interval, weakest
from stackgen.report.verdict import wrong_though_it_fits

_COLORS = {
    "weights": "#3b6fb6",
    "KV + state": "#3aa6a6",
    "compute": "#a35fb0",
    "overhead": "#c9a227",
    "declared": "#5b9a4b",
    "free": "#e4e4e4",
    "over budget": "#c62f2f",
}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1,h2{font-weight:600}h2{font-size:1.1rem;margin:2rem 0 .4rem}
.fits{color:#2c7a2c}.over-budget,.error{color:#b02020}.unknown,.warning{color:#8a6a00}.note{color:#456}
.bar{display:flex;height:1.4rem;border-radius:.2rem;overflow:hidden;margin:.3rem 0 .6rem}
table{border-collapse:collapse;width:100%}th,td{padding:.15rem .8rem .15rem 0;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{font-weight:500;color:#667;border-bottom:1px solid #ddd}
code{background:#f3f3f3;padding:0 .25rem;border-radius:.2rem}.key span{display:inline-block;width:.8rem;height:.8rem;
margin:0 .35rem 0 1rem;border-radius:.15rem;vertical-align:-.1rem}li{margin:.3rem 0}.dim{color:#667}
"""


def as_html(plan: Plan, source: Source) -> str:
    """The whole page."""
    but = wrong_though_it_fits(plan)
    title = f"{plan.stack.name}: {plan.verdict.value}{but}"
    parts = [
        f"<h1>{_text(plan.stack.name)}: <span class='{plan.verdict.value}'>{plan.verdict.value}</span>{but}</h1>",
        *(part for ledger in plan.gpus for part in _gpu(ledger)),
        _key() if plan.gpus else "",
        *_hosts(plan),
        *_scenarios(plan),
        *_advice(plan.shortfalls),
        *_findings(plan.diagnostics, source),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{_text(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    from html import escape

    return escape(text)


def _gpu(ledger: GpuLedger) -> Iterator[str]:
    over = ledger.free < 0
    room = f"{show_size(abs(ledger.free))} {'too much' if over else 'free'}"
    style = "over-budget" if over else "fits"
    yield f"<h2>{_text(ledger.host)} GPU {ledger.index} <span class='dim'>{_text(ledger.model)}</span></h2>"
    yield f"<div>{show_size(ledger.high)} of {show_size(ledger.usable)}, <b class='{style}'>{room}</b></div>"
    whole = 1000
    runs = "".join(
        f"<div style='width:{length / 10:.1f}%;background:{_COLORS[part.name]}' title='{part.name}'></div>"
        for part, length in bar.runs(ledger, whole)
    )
    yield f"<div class='bar'>{runs}</div>"
    if ledger.residents:
        yield _residents(ledger)


def _residents(ledger: GpuLedger) -> str:
    used = [c for c in TERMS if any(t.high for _, m in ledger.residents for t in m.of(*c[1]))]
    rows = (
        [r.label, *(interval(m.of(*names)) for _, names in used), interval(m.terms), weakest(m).value]
        for r, m in ledger.residents
    )
    return _table(["loaded together, GiB", *(name for name, _ in used), "total", "basis"], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
    return f"<table>\n<tr>{cells}</tr>\n{body}</table>"


def _key() -> str:
    colors = "".join(f"<span style='background:{color}'></span>{name}" for name, color in _COLORS.items())
    return f"<p class='key dim'>{colors}</p>"


def _hosts(plan: Plan) -> Iterator[str]:
    for table in tables(plan):
        yield f"<h2>{table.title[:1].upper()}{table.title[1:]}</h2>"
        yield _table(["host", *table.head], table.rows)


def _scenarios(plan: Plan) -> Iterator[str]:
    if plan.scenarios:
        yield "<h2>Scenarios</h2>"
        rows = ([s.name, s.verdict.value, s.expected.value] for s in plan.scenarios)
        yield _table(["scenario", "verdict", "expected"], rows)


def _advice(shortfalls: Sequence[Shortfall]) -> Iterator[str]:
    for shortfall in shortfalls:
        gpus = ", ".join(map(str, shortfall.gpus))
        who = _text(" + ".join(shortfall.residents))
        yield f"<h2>What would make it fit: {who} on {_text(shortfall.host)} GPU {gpus}</h2>"
        items = "".join(
            f"<li><code>{_text(way.change)}</code> in {_text(way.at or 'the stack')}"
            f"<br><span class='dim'>saves {show_size(way.saves)}; {_text(way.price)}</span></li>\n"
            for way in shortfall.ways
        )
        yield f"<ul>\n{items}</ul>" if items else "<p>Nothing is enough: smaller weights, or more GPUs.</p>"


def _findings(diagnostics: Sequence[Diagnostic], source: Source) -> Iterator[str]:
    if not diagnostics:
        return
    yield "<h2>Findings</h2>"
    items = "".join(
        f"<li><b class='{d['severity']}'>{d['severity']}</b> {_text(d['message'])} "
        f"<span class='dim'>{_text(source.name)}:{d['line']} {_text(d['kind'])}</span>"
        f"{'<br>' + _text(d['hint']) if d['hint'] else ''}</li>\n"
        for d in as_dicts(diagnostics, source)
    )
    yield f"<ul>\n{items}</ul>"
