"""What makes a plan fit: found for each set of residents, planned again, ranked by what it costs."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from stackgen import app
from stackgen.domain.linked import LinkedModel, LinkedStack
from stackgen.domain.plan import Alternative, KnownModel, Limit, Plan, Shortfall, Verdict
from stackgen.domain.units import GIB
from stackgen.plan.advice import MOST_WAYS, advised
from stackgen.plan.solve import solve
from stackgen.registry import engines, platforms
from tests.support.planning import SizedEngine, host, known, service, stack
from tests.support.reading import linked as read


def none_smaller(model: LinkedModel) -> Iterable[KnownModel]:
    return ()


def plan_of(linked: LinkedStack, engine: SizedEngine | None = None) -> Plan:
    sized = {"sized": engine or SizedEngine()}
    return advised(solve(linked, known(linked), sized), known(linked), sized, none_smaller)


def on(*sizes: int, **rest: Any) -> dict[str, Any]:
    """Options of a model that takes these GiB on GPU 0, 1, …"""
    return {"gpus": dict(enumerate(sizes)), **rest}


def changes(shortfall: Shortfall) -> list[tuple[str, str, int]]:
    return [(way.at, way.change, way.saves // GIB) for way in shortfall.ways]


def test_over_budget_says_the_arithmetic_and_the_smallest_change() -> None:
    box = host(gpus=1)
    linked = stack([box], [service("r", box, {"a": on(20, steps=[19, 13]), "b": on(10)}, limit=2)])
    plan = plan_of(linked)
    (finding,) = [d for d in plan.diagnostics if d.kind == "plan/over-budget"]
    assert finding.path == ("hosts", "box", "gpus", 0)
    for part in ("30.0 GiB", "24.0 GiB usable", "6.0 GiB", "r/a 20.0 GiB", "r/b 10.0 GiB"):
        assert part in finding.message
    assert [path for path, _ in finding.related] == [("services", "r", "models", u) for u in ("a", "b")]
    # `size: 19` saves 1 GiB, which is not enough; `size: 13` saves 7 and is; fewer at once is dearer.
    (shortfall,) = plan.shortfalls
    assert (shortfall.lacks, shortfall.residents) == (6 * GIB, ("r/a", "r/b"))
    assert changes(shortfall) == [("r/a", "size: 13", 7), ("r", "models_max: 1", 10)]
    assert finding.hint == "r/a: size: 13 (saves 7.0 GiB; smaller)"


def test_models_that_are_each_too_large_are_mended_one_by_one() -> None:
    box = host(gpus=2)
    models = {"a": on(30, 1, steps=[20]), "b": on(26, 1, steps=[9]), "c": on(2, 2)}
    plan = plan_of(stack([box], [service("r", box, models)]))
    assert [s.residents for s in plan.shortfalls] == [("r/a",), ("r/b",)]
    assert [changes(s) for s in plan.shortfalls] == [[("r/a", "size: 20", 10)], [("r/b", "size: 9", 17)]]
    hints = [d.hint for d in plan.diagnostics if d.kind == "plan/over-budget"]
    assert hints == ["r/a: size: 20 (saves 10.0 GiB; smaller); and r/b: size: 9 (saves 17.0 GiB; smaller)"]


def test_several_gpus_get_one_block() -> None:
    box = host(gpus=2)
    plan = plan_of(stack([box], [service("r", box, {"a": on(30, 28, steps=[24, 20])})]))
    (shortfall,) = plan.shortfalls
    assert shortfall.gpus == (0, 1)
    assert changes(shortfall) == [("r/a", "size: 24", 6)]
    first, second = (d.hint for d in plan.diagnostics if d.kind == "plan/over-budget")
    assert (first is not None, second) == (True, "as for GPU 0")


def test_rivals_can_take_turns() -> None:
    box = host(gpus=1)
    parts = [
        service(n, box, {"m": on(size)}, limit=Limit.ALL)
        for n, size in (("chat", 17), ("video", 22), ("ear", 6))
    ]
    (shortfall,) = plan_of(stack([box], parts)).shortfalls
    # 45 - 17 = 28 is still too much for 24, 45 - 17 - 6 = 22 is not
    assert changes(shortfall) == [("", "exclusive: [[chat, ear, video]]", 23)]


class TwoKnobs(SizedEngine):
    """Each of the knobs x and y takes 3 GiB off, and z 20, at a price."""

    def alternatives(self, service: Any, use: Any, known: Any) -> Any:
        for knob, less, cost in (("x", 3, 1), ("y", 3, 2), ("z", 20, 7)):
            if knob not in use.options.get("turned", ""):
                options = use.options | {
                    "gpus": {i: size - less for i, size in use.options["gpus"].items()},
                    "turned": use.options.get("turned", "") + knob,
                }
                models = tuple(u._replace(options=options) if u.id == use.id else u for u in service.models)
                yield Alternative(f"{knob}: off", cost, replace(service, models=models), price=f"no {knob}")


def test_cheap_changes_are_combined_when_none_is_enough_alone() -> None:
    box = host(gpus=1)
    (shortfall,) = plan_of(stack([box], [service("r", box, {"a": on(29)})]), TwoKnobs()).shortfalls
    assert changes(shortfall) == [("r/a", "x: off, y: off", 6), ("r/a", "z: off", 20)]
    assert shortfall.ways[0].price == "no x; no y"


def test_a_combination_keeps_only_what_it_needs() -> None:
    box = host(gpus=1)
    (shortfall,) = plan_of(stack([box], [service("r", box, {"a": on(46)})]), TwoKnobs()).shortfalls
    # 46 - 20 = 26 is too much, 26 - 3 = 23 is not, so one of x and y is enough: the dearer is left out.
    assert changes(shortfall) == [("r/a", "x: off, z: off", 23)]


def test_when_no_change_is_enough_that_is_said() -> None:
    box = host(gpus=1)
    linked = stack([box], [service("r", box, {"a": on(40, steps=[38, 36]), "b": on(30, steps=[20])})])
    plan = plan_of(linked)
    hopeless, other = plan.shortfalls
    assert (hopeless.residents, hopeless.ways) == (("r/a",), ())
    assert changes(other) == [("r/b", "size: 20", 10)]
    (finding,) = [d for d in plan.diagnostics if d.kind == "plan/over-budget"]
    assert finding.hint is not None
    assert finding.hint.startswith("for r/a no option is enough: choose smaller weights")


def test_main_memory_bounds_what_can_be_moved_there() -> None:
    class ToRam(SizedEngine):
        def alternatives(self, service: Any, use: Any, known: Any) -> Any:
            options = use.options | {"gpus": {0: 10}, "ram": 20}
            models = tuple(u._replace(options=options) for u in service.models)
            yield Alternative("offload: true", 6, replace(service, models=models))

    for ram, enough in ((19, False), (20, True)):
        box = host(gpus=1, ram=ram)
        (shortfall,) = plan_of(stack([box], [service("r", box, {"a": on(30)})]), ToRam()).shortfalls
        assert bool(shortfall.ways) is enough


def test_what_the_engine_would_find_wrong_is_not_advised() -> None:
    from stackgen.domain.diagnostic import error

    class Picky(SizedEngine):
        def check(self, service: Any, known: Any) -> Any:
            if any(u.options["gpus"] == {0: 20} for u in service.models):
                yield error("engine/picky", service.path, "not 20")

    box = host(gpus=1)
    linked = stack([box], [service("r", box, {"a": on(30, steps=[20])})])
    (shortfall,) = plan_of(linked, Picky()).shortfalls
    assert shortfall.ways == ()


TEXT = """
version: 1
name: home
hosts:
  box: {{platform: compose, ram: 64GB, gpus: [rtx-3090, rtx-4070-ti]}}
models:
  big: {{hf: "{hf}"}}
services:
  llama:
    engine: llama-server
    host: box
    gpus: [0, 1]
    options: {{parallel: 1}}
    models: {{it: {{model: big, {options}}}}}
    volumes: {{models: models}}
volumes: {{models: {{path: /srv/models}}}}
"""


def real(hf: str, options: str) -> Plan:
    return app.plan(read(TEXT.format(hf=hf, options=options), engines=engines(), platforms=platforms()))


@pytest.mark.parametrize(
    ("hf", "options"),
    [
        ("unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q6_K", ""),
        ("bartowski/Llama-3.3-70B-Instruct-GGUF:Q4_K_M", "context: 32768"),
        ("unsloth/Qwen3-32B-GGUF:Q8_0", "context: 40960, ubatch_size: 2048"),
        ("ggml-org/gpt-oss-120b-GGUF:MXFP4", "context: 131072"),
    ],
)
def test_every_advice_makes_a_real_stack_fit_when_it_is_followed(hf: str, options: str) -> None:
    plan = real(hf, options)
    assert plan.verdict is Verdict.OVER_BUDGET
    (shortfall,) = plan.shortfalls
    assert 1 <= len(shortfall.ways) <= MOST_WAYS
    assert [way.cost for way in shortfall.ways] == sorted(way.cost for way in shortfall.ways)
    for way in shortfall.ways:
        settings, _, weights = way.change.partition("hf: ")
        own = "" if "context" in settings else next((o for o in options.split(", ") if "context" in o), "")
        followed = real(weights or hf, ", ".join(filter(None, (own, settings.rstrip(", ")))))
        assert followed.verdict is Verdict.FITS, way
        assert not [d for d in followed.diagnostics if d.kind == "plan/host-ram"]


def test_smaller_weights_are_those_of_the_same_publisher_and_kind() -> None:
    plan = real("unsloth/Qwen3-32B-GGUF:UD-Q8_K_XL", "context: 32768")
    (way,) = [w for w in plan.shortfalls[0].ways if w.at == "models.big"]
    assert way.change.startswith("hf: unsloth/Qwen3-32B-GGUF:UD-Q")
