"""rules.yml: the plan's figures as series of their own, and what is worth an alarm."""

from collections.abc import Iterator
from typing import Any, Final

from stackgen.domain import budget_lines
from stackgen.domain.plan import Plan
from stackgen.engines.prometheus.options import PrometheusOptions
from stackgen.engines.prometheus.watched import Watched

_OURS: Final = f"({budget_lines.USED} - on (host, gpu) {budget_lines.RESERVED})"
"""What is in use, less what stack.yaml leaves to programs outside of the stack."""


def rules(options: PrometheusOptions, watched: tuple[Watched, ...], plan: Plan) -> dict[str, Any]:
    """The whole file."""
    recorded = [*_measured(watched), *_planned(plan)]
    alerts = list(_alerts(options, watched, plan)) if options.alerts else []
    return {
        "groups": [
            {"name": name, "rules": group}
            for name, group in (("plan", recorded), ("alerts", alerts))
            if group
        ]
    }


def _measured(watched: tuple[Watched, ...]) -> Iterator[dict[str, Any]]:
    for expression in sorted({one.scrape.gpu_memory for one in watched if one.scrape.gpu_memory}):
        yield {"record": budget_lines.USED, "expr": f"max by (host, gpu) ({expression})"}


def _planned(plan: Plan) -> Iterator[dict[str, Any]]:
    for line in budget_lines.lines(plan):
        yield {"record": line.name, "expr": f"vector({line.value})", "labels": line.labels}


def _alerts(options: PrometheusOptions, watched: tuple[Watched, ...], plan: Plan) -> Iterator[dict[str, Any]]:
    where = "GPU {{ $labels.gpu }} of {{ $labels.host }}"
    if any(one.scrape.gpu_memory for one in watched):
        yield _alert(
            "GpuMemoryAbovePlan",
            f"{_OURS} > on (host, gpu) {budget_lines.HIGH}",
            "10m",
            "warning",
            f"{where} holds {{{{ $value | humanize1024 }}}}B, more than planned in the worst case",
        )
        yield _alert(
            "GpuMemoryAboveBudget",
            f"{_OURS} > on (host, gpu) {budget_lines.USABLE}",
            "2m",
            "critical",
            f"{where} holds {{{{ $value | humanize1024 }}}}B, which leaves no headroom",
        )
    if names := _always_on(watched, plan):
        yield _alert(
            "ServiceDown",
            f'up{{service=~"{"|".join(names)}"}} == 0',
            "5m",
            "warning",
            "{{ $labels.service }} of {{ $labels.host }} does not answer",
        )
    if options.targets:
        # Downloads are units, too, wherever systemd runs them.
        yield _alert(
            "UnitFailed",
            f'node_systemd_unit_state{{name=~"{plan.stack.name}-.+", state="failed"}} == 1',
            "1m",
            "warning",
            "{{ $labels.name }} of {{ $labels.instance }} has failed",
        )


def _always_on(watched: tuple[Watched, ...], plan: Plan) -> list[str]:
    """Services that nothing stops to make room for another."""
    taking_turns = {name for group in plan.stack.exclusive for name in group}
    return sorted({one.service.name for one in watched if one.always_up} - taking_turns)


def _alert(name: str, expression: str, after: str, severity: str, summary: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": after,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }
