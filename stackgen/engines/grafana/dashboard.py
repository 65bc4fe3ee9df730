"""The dashboard: for each GPU of the plan, what is in use beside what was planned; built from the plan alone."""

from typing import Any, Final

from stackgen.domain import budget_lines
from stackgen.domain.plan import GpuLedger, Plan

SOURCE: Final = {"type": "prometheus", "uid": "stackgen"}
_WIDTH: Final = 24
"""Columns of Grafana's grid."""
_HEIGHT: Final = 9


def dashboard(plan: Plan) -> dict[str, Any]:
    """The JSON model that Grafana reads; the same for the same plan."""
    panels = [_memory(ledger) for ledger in plan.gpus]
    if plan.gpus:
        panels.append(_planned())
    panels.append(_answers())
    return {
        "uid": f"stackgen-{plan.stack.name}"[:40],
        "title": f"{plan.stack.name}: GPU memory and services",
        "tags": ["stackgen"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "panels": [
            {"id": number + 1, "gridPos": _place(number), "datasource": SOURCE, **panel}
            for number, panel in enumerate(panels)
        ],
    }


def _place(number: int) -> dict[str, int]:
    half = _WIDTH // 2
    return {"x": number % 2 * half, "y": number // 2 * _HEIGHT, "w": half, "h": _HEIGHT}


def _memory(ledger: GpuLedger) -> dict[str, Any]:
    where = f'{{host="{ledger.host}", gpu="{ledger.index}"}}'
    high = f'{budget_lines.PLANNED}{{host="{ledger.host}", gpu="{ledger.index}", bound="high"}}'
    queries = (
        (f"{budget_lines.USED}{where}", "in use"),
        (f"{budget_lines.USABLE}{where}", "usable"),
        (f"{budget_lines.HIGH}{where}", "planned at worst"),
        (f"{budget_lines.LOW}{where}", "planned at least"),
        (high, "{{service}} at worst"),
    )
    return {
        "type": "timeseries",
        "title": f"{ledger.host} GPU {ledger.index}  {ledger.model}",
        "description": "Lines are of the plan, the area is measured. What is in use counts other programs as well.",
        "targets": [_query(*query, place) for place, query in enumerate(queries)],
        "fieldConfig": {
            "defaults": {"unit": "bytes", "min": 0, "max": ledger.capacity, "custom": {"lineWidth": 1}},
            "overrides": [
                _override("in use", ("custom.fillOpacity", 30), ("custom.lineWidth", 2)),
                _override("usable", ("color", {"mode": "fixed", "fixedColor": "red"})),
                _override("planned at worst", ("color", {"mode": "fixed", "fixedColor": "orange"})),
                _override("planned at least", ("color", {"mode": "fixed", "fixedColor": "green"})),
            ],
        },
        "options": {"legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull"]}},
    }


def _planned() -> dict[str, Any]:
    query = _query(f"sort_desc({budget_lines.PLANNED})", "{{host}} GPU {{gpu}}: {{service}}, {{bound}}", 0)
    return {
        "type": "bargauge",
        "title": "What the plan gives each service, at least and at worst",
        "targets": [query | {"instant": True}],
        "fieldConfig": {"defaults": {"unit": "bytes", "min": 0}, "overrides": []},
        "options": {"orientation": "horizontal", "displayMode": "basic"},
    }


def _answers() -> dict[str, Any]:
    return {
        "type": "state-timeline",
        "title": "Who answers (a model that is not loaded does not)",
        "targets": [_query('up{service!=""}', "{{job}}", 0)],
        "fieldConfig": {"defaults": {"min": 0, "max": 1}, "overrides": []},
    }


def _query(expression: str, legend: str, place: int) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + place),
        "datasource": SOURCE,
        "expr": expression,
        "legendFormat": legend,
    }


def _override(name: str, *properties: tuple[str, Any]) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties],
    }
