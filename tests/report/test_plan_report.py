"""What people and programs see of a plan."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.domain.diagnostic import error
from stackgen.domain.plan import Plan, Verdict
from stackgen.domain.source import Positions, Source
from stackgen.domain.units import GIB
from stackgen.plan.solve import solve
from stackgen.report import bar
from stackgen.report.machine import as_json, as_markdown, invalid_json
from stackgen.report.page import Page
from stackgen.report.plan import explain, show
from tests.support.planning import SizedEngine, host, known, service, stack

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "plan.schema.json").read_text())
SOURCE = Source(name="stack.yaml", text="", data={"name": "test"}, positions=Positions())


def sample(limit: int = 2) -> Plan:
    box = host(ram=64)
    models: dict[str, dict[str, Any]] = {
        "big": {"gpus": {0: 14, 1: 13}, "ram": 2, "pinned": True},
        "small": {"gpus": {0: 9}},
    }
    linked = stack(
        [box],
        [service("r", box, models, limit=limit)],
        scenarios={"both": (("r/big", "r/small"), "fits")},
        headroom=1,
    )
    return solve(linked, known(linked), {"sized": SizedEngine()})


def text_of(plan: Plan, width: int, *, unicode: bool = True) -> str:
    return show(plan, Page(width=width, unicode=unicode))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    lines = text_of(sample(), width).splitlines()
    assert lines
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("width", "columns"),
    [(60, ["weights", "total", "basis"]), (44, ["weights", "total"]), (36, ["total", "basis"])],
)
def test_a_narrow_screen_shows_what_matters_most(width: int, columns: list[str]) -> None:
    head = next(line for line in text_of(sample(), width).splitlines() if "loaded together" in line)
    assert head.split()[3:] == columns


def test_what_could_not_be_sized_is_named_beside_what_is_free() -> None:
    box = host()
    linked = stack([box], [service("r", box, {"small": {"gpus": {0: 9}}, "mystery": {}})])
    text = text_of(solve(linked, known(linked), {"sized": SizedEngine()}), 80)
    assert "test: unknown" in text
    for gpu in ("9.0 GiB of 24.0 GiB, 15.0 GiB free", "0 B of 24.0 GiB, 24.0 GiB free"):
        assert f"{gpu}\n  without r/mystery, of which nothing is known\n" in text


def test_text_says_who_sits_where_and_what_is_free() -> None:
    text = text_of(sample(), 100)
    for part in (
        "test: fits",
        "box GPU 0",
        "23.0 GiB of 23.0 GiB, 0 B free",
        "r/big (at start)",
        "both",
    ):
        assert part in text


def test_a_plan_over_budget_says_by_how_much() -> None:
    box = host(gpus=1)
    linked = stack([box], [service("r", box, {"a": {"gpus": {0: 30}}})])
    text = text_of(solve(linked, known(linked), {"sized": SizedEngine()}), 100)
    assert "test: over-budget" in text
    assert "30.0 GiB of 24.0 GiB, 6.0 GiB too much" in text
    assert "!!" in text


@pytest.mark.parametrize("width", [40, 100])
def test_a_plan_that_fits_and_is_wrong_says_both(width: int) -> None:
    plan = sample()
    wrong = replace(plan, diagnostics=(error("plan/any-card", ("hosts", "box"), "no", "yes"),))
    for text in (text_of(wrong, width), as_markdown(wrong, wrong.diagnostics)):
        assert "test: fits, but 1 error" in text
    assert "but" not in text_of(plan, width)
    assert "but" not in text_of(replace(wrong, verdict=Verdict.OVER_BUDGET), width)


def test_a_terminal_without_unicode_gets_ascii() -> None:
    text = text_of(sample(), 100, unicode=False)
    assert "####" in text
    assert text.isascii()


def test_colours_change_nothing_but_colours() -> None:
    plain, coloured = show(sample(), Page(width=100)), show(sample(), Page(width=100, color=True))
    assert coloured != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_json_keeps_the_contract() -> None:
    plan = sample(limit=1)
    data = json.loads(json.dumps(as_json(plan, SOURCE, plan.diagnostics)))
    jsonschema.validate(data, SCHEMA)
    first = data["gpus"][0]
    assert first["usable"] == 23 * GIB
    assert first["free"] == first["usable"] - first["high"]
    assert first["residents"] == [
        {
            "service": "r",
            "model": "big",
            "terms": [{"term": "weights", "low": 14 * GIB, "high": 14 * GIB, "basis": "exact"}],
        }
    ]
    jsonschema.validate(invalid_json(SOURCE, ()), SCHEMA)


def test_markdown_escapes_what_would_break_a_table() -> None:
    plan = sample()
    assert "| box 0 | card | 23.0 GiB | 23.0 GiB | 0 B | `r/big`, `r/small` |" in as_markdown(
        plan, plan.diagnostics
    )


def test_explain_prints_the_formula_or_nothing() -> None:
    text = explain(sample(), "r/big", Page())
    assert "weights: 14.0 GiB (exact)" in text
    assert "given" in text
    assert not explain(sample(), "r/none", Page())


@given(st.integers(0, 40), st.integers(0, 40), st.integers(10, 200))
def test_the_bar_is_as_long_as_asked_and_shows_over_only_when_over(
    first: int, second: int, width: int
) -> None:
    box = host(gpus=1)
    models = {"a": {"gpus": {0: first}}, "b": {"gpus": {0: second}}}
    linked = stack([box], [service("r", box, models, limit=2)])
    (ledger,) = solve(linked, known(linked), {"sized": SizedEngine()}).gpus
    runs = bar.runs(ledger, width)
    assert sum(length for _, length in runs) == width
    assert all(length > 0 for _, length in runs)
    assert (bar.OVER in [part for part, _ in runs]) == (ledger.free < 0)


def test_gpus_that_hold_the_same_are_shown_once() -> None:
    box = host(gpus=4)
    linked = stack([box], [service("r", box, {"m": {"gpus": {0: 5, 1: 5, 2: 6}}})])
    lines = text_of(solve(linked, known(linked), {"sized": SizedEngine()}), 80).splitlines()
    heads = [line for line in lines if line.startswith("box GPU")]
    assert heads == ["box GPUs 0 to 1, each  card", "box GPU 2  card", "box GPU 3  card"]
