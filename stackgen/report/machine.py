"""A plan for programs: the versioned JSON of the contract, and Markdown for reviews."""

from collections.abc import Iterable, Sequence
from typing import Any

from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.footprint import Memory
from stackgen.domain.plan import GpuLedger, HostLedger, Plan
from stackgen.domain.source import Source
from stackgen.domain.units import show_size
from stackgen.report.diagnostics import as_dicts
from stackgen.report.verdict import wrong_though_it_fits

JSON_VERSION = 1


def as_json(plan: Plan, source: Source, diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """The plan as plain data; all sizes in bytes, CPUs in thousandths."""
    return {
        "version": JSON_VERSION,
        "stack": plan.stack.name,
        "verdict": plan.verdict.value,
        "gpus": [_gpu(ledger) for ledger in plan.gpus],
        "hosts": [_host(ledger) for ledger in plan.hosts],
        "scenarios": [
            {
                "name": s.name,
                "verdict": s.verdict.value,
                "expected": s.expected.value,
                "gpus": [_gpu(ledger) for ledger in s.gpus],
            }
            for s in plan.scenarios
        ],
        "advice": [
            {
                "host": s.host,
                "gpus": list(s.gpus),
                "lacks": s.lacks,
                "residents": list(s.residents),
                "ways": [way._asdict() for way in s.ways],
            }
            for s in plan.shortfalls
        ],
        "diagnostics": as_dicts(diagnostics, source),
    }


def invalid_json(source: Source, diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """The same shape for a stack that is wrong."""
    data = source.data if isinstance(source.data, dict) else {}
    name = data.get("name")
    return {
        "version": JSON_VERSION,
        "stack": name if isinstance(name, str) else None,
        "verdict": "invalid",
        "gpus": [],
        "hosts": [],
        "scenarios": [],
        "advice": [],
        "diagnostics": as_dicts(diagnostics, source),
    }


def _host(ledger: HostLedger) -> dict[str, Any]:
    return {
        "host": ledger.host,
        "ram": ledger.ram,
        "ram_high": ledger.ram_high,
        "ram_requests": ledger.ram_requests,
        "millicpu": ledger.cpus,
        "millicpu_requests": ledger.cpu_requests,
    }


def _gpu(ledger: GpuLedger) -> dict[str, Any]:
    return {
        "host": ledger.host,
        "index": ledger.index,
        "model": ledger.model,
        "capacity": ledger.capacity,
        "usable": ledger.usable,
        "low": ledger.low,
        "high": ledger.high,
        "free": ledger.free,
        "residents": [
            {"service": resident.service, "model": resident.use, "terms": _terms(memory)}
            for resident, memory in ledger.residents
        ],
    }


def _terms(memory: Memory) -> list[dict[str, Any]]:
    return [
        {"term": t.name.value, "low": t.low, "high": t.high, "basis": t.basis.value} for t in memory.terms
    ]


def as_markdown(plan: Plan, diagnostics: Sequence[Diagnostic]) -> str:
    """A short table for a pull request."""
    lines = [
        f"### {plan.stack.name}: {plan.verdict.value}{wrong_though_it_fits(plan)}",
        "",
        "| GPU | model | needed at worst | usable | free | loaded together |",
        "|---|---|--:|--:|--:|---|",
    ]
    for g in plan.gpus:
        who = ", ".join(f"`{resident.label}`" for resident, _ in g.residents) or "nothing"
        sizes = " | ".join(show_size(size) for size in (g.high, g.usable, g.free))
        lines.append(f"| {g.host} {g.index} | {g.model} | {sizes} | {who} |")
    for shortfall in plan.shortfalls:
        lines += [
            "",
            f"{' + '.join(shortfall.residents)} would fit with any one of:" if shortfall.ways else "",
        ]
        lines += [f"- `{way.change}` (in {way.at or 'the stack'}): {way.price}" for way in shortfall.ways]
    if diagnostics:
        lines.append("")
    for d in diagnostics:
        text = " ".join(d.message.split()).replace("|", "\\|")
        lines.append(f"- **{d.severity.value}** `{d.kind}`: {text}" + (f" *{d.hint}*" if d.hint else ""))
    return "\n".join(lines) + "\n"
