"""The worst case per GPU, the largest safe models_max, exclusive groups, scenarios, measured figures."""

from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from stackgen.domain.diagnostic import error
from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Basis
from stackgen.domain.linked import LinkedStack, MeasuredUse, Reference
from stackgen.domain.plan import Limit, Plan, Verdict
from stackgen.domain.stack import Volume
from stackgen.domain.units import GIB
from stackgen.plan.ledger import MAX_EXACT_CHOICES, heaviest_choice
from stackgen.plan.solve import solve
from tests.support.planning import SizedEngine, host, known, service, stack


def plan_of(linked: LinkedStack) -> Plan:
    return solve(linked, known(linked), {"sized": SizedEngine()})


def on(*sizes: int, **rest: Any) -> dict[str, Any]:
    """Options of a model that takes these GiB on GPU 0, 1, …"""
    return {"gpus": dict(enumerate(sizes)), **rest}


def test_a_router_counts_its_largest_models_per_gpu() -> None:
    # models_max 2: GPU 0 holds a + b = 9 + 8, GPU 1 holds b + c = 8 + 9, and a + c is less on each.
    box = host()
    linked = stack([box], [service("r", box, {"a": on(9, 1), "b": on(8, 8), "c": on(1, 9)}, limit=2)])
    plan = plan_of(linked)
    assert [g.high // GIB for g in plan.gpus] == [17, 17]
    assert [g.free // GIB for g in plan.gpus] == [7, 7]
    assert [{r.use for r, _ in g.residents} for g in plan.gpus] == [{"a", "b"}, {"b", "c"}]


def test_auto_is_the_largest_number_that_fits() -> None:
    box = host()
    models = {"a": on(12, 12), "b": on(11, 11), "c": on(2, 2)}
    # 12 + 11 = 23 of 24 fits, 12 + 11 + 2 = 25 does not.
    assert plan_of(stack([box], [service("r", box, models)])).services["r"].models_max == 2
    # with 2 GiB of headroom even two do not fit
    assert plan_of(stack([box], [service("r", box, models)], headroom=2)).services["r"].models_max == 1


def test_auto_takes_turns_and_does_not_depend_on_order() -> None:
    box = host(gpus=1)
    small = {"a": on(4), "b": on(4), "c": on(4), "d": on(4)}
    one, two = service("one", box, small), service("two", box, small)
    for services in ([one, two], [two, one]):
        plan = plan_of(stack([box], services))
        assert {n: s.models_max for n, s in plan.services.items()} == {"one": 3, "two": 3}
        assert plan.verdict is Verdict.FITS


def test_models_loaded_at_start_are_never_fewer_than_models_max() -> None:
    box = host(gpus=1)
    linked = stack([box], [service("r", box, {"a": on(20, pinned=True), "b": on(20, pinned=True)})])
    plan = plan_of(linked)
    assert plan.services["r"].models_max == 2
    assert plan.verdict is Verdict.OVER_BUDGET


def test_zero_means_no_limit_as_in_llama_server() -> None:
    box = host(gpus=1)
    plan = plan_of(stack([box], [service("r", box, {"a": on(9), "b": on(9), "c": on(9)}, limit=0)]))
    assert plan.services["r"].models_max == 3
    assert plan.gpus[0].free == -3 * GIB


def test_rivals_are_not_added_but_the_heavier_counts() -> None:
    box = host(gpus=1)
    parts = [
        service(n, box, {"m": on(size)}, limit=Limit.ALL)
        for n, size in (("chat", 17), ("video", 22), ("ear", 6))
    ]
    apart = plan_of(stack([box], parts))
    assert apart.verdict is Verdict.OVER_BUDGET
    assert apart.gpus[0].high == (17 + 22 + 6) * GIB
    rivals = plan_of(stack([box], parts, exclusive=[("chat", "video"), ("ear", "video")]))
    # chat + ear = 23 weighs more than video alone = 22
    assert rivals.gpus[0].high == 23 * GIB
    assert rivals.verdict is Verdict.FITS


def test_scenarios_are_judged_in_both_directions() -> None:
    box = host(gpus=1)
    parts = [service(n, box, {"m": on(size)}, limit=Limit.ALL) for n, size in (("chat", 17), ("video", 22))]
    linked = stack(
        [box],
        parts,
        exclusive=[("chat", "video")],
        scenarios={
            "both": (("chat", "video"), "over-budget"),
            "one": (("chat",), "fits"),
            "wrong": (("chat", "video"), "fits"),
            "gloomy": (("chat/m",), "over-budget"),
        },
    )
    plan = plan_of(linked)
    verdicts = {s.name: s.verdict.value for s in plan.scenarios}
    assert verdicts == {"both": "over-budget", "one": "fits", "wrong": "over-budget", "gloomy": "fits"}
    missed = [d.path for d in plan.diagnostics if d.kind == "plan/scenario"]
    assert missed == [("scenarios", "wrong"), ("scenarios", "gloomy")]


def test_a_measured_figure_replaces_ours() -> None:
    box = host()
    figure = MeasuredUse(
        use=Reference("r", "a"), gpus=(5 * GIB, 6 * GIB), ram=2 * GIB, reason="seen twice", index=0
    )
    plan = plan_of(stack([box], [service("r", box, {"a": on(23, 23)})], measured=(figure,)))
    assert [g.high // GIB for g in plan.gpus] == [5, 6]
    assert plan.gpus[0].residents[0][1].terms[0].basis is Basis.MEASURED
    assert plan.hosts[0].ram_high == 2 * GIB


def test_main_memory_is_a_budget() -> None:
    box = host(ram=32)
    models = {"a": on(1, ram=20), "b": on(1, ram=14)}
    tight = plan_of(stack([box], [service("r", box, models, limit=2)]))
    (finding,) = [d for d in tight.diagnostics if d.kind == "plan/host-ram"]
    assert "34.0 GiB" in finding.message
    assert not [
        d
        for d in plan_of(stack([box], [service("r", box, models, limit=1)])).diagnostics
        if d.kind == "plan/host-ram"
    ]


def test_gpus_of_other_hosts_do_not_mix() -> None:
    left, right = host("left", gpus=1), host("right", gpus=1)
    linked = stack(
        [left, right], [service("l", left, {"a": on(20)}), service("r", right, {"b": on(21)})], volumes={}
    )
    plan = plan_of(linked)
    assert [(g.host, g.high // GIB) for g in plan.gpus] == [("left", 20), ("right", 21)]


def test_weights_larger_than_their_volume() -> None:
    box = host()
    parts = [service("r", box, {"a": on(1), "b": on(1)}, volumes={"models": "disk"})]
    sized = cast("ModelFacts", SimpleNamespace(file_bytes=90 * GIB))
    findings = {}
    for size in ("180GiB", "179GiB"):
        linked = stack([box], parts, volumes={"disk": Volume(managed=True, size=size)})  # type: ignore[arg-type]
        facts = {name: replace(model, facts=sized) for name, model in known(linked).items()}
        plan = solve(linked, facts, {"sized": SizedEngine()})
        findings[size] = [d.message for d in plan.diagnostics if d.kind == "plan/volume-size"]
    assert findings == {
        "180GiB": [],
        "179GiB": ["the weights of a, b take 180.0 GiB, the volume holds 179.0 GiB"],
    }


weights = st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 50), min_size=1)
groups = st.lists(st.frozensets(st.sampled_from("abcdefg"), min_size=2, max_size=4), max_size=4)


@given(weights, groups)
def test_the_heaviest_choice_is_the_heaviest(sizes: dict[str, int], rivals: list[frozenset[str]]) -> None:
    def allowed(chosen: frozenset[str]) -> bool:
        return all(len(chosen & g) <= 1 for g in rivals)

    choices = (frozenset(c) for n in range(len(sizes) + 1) for c in combinations(sizes, n))
    expected = max(sum(sizes[s] for s in c) for c in choices if allowed(c))
    chosen = heaviest_choice(sizes, rivals)
    assert allowed(chosen)
    assert sum(sizes[s] for s in chosen) == expected


def test_too_many_rivals_err_on_the_high_side() -> None:
    names = [f"s{i:02}" for i in range(MAX_EXACT_CHOICES + 2)]
    sizes = {n: i + 1 for i, n in enumerate(names)}
    chosen = heaviest_choice(sizes, [frozenset(names[:12]), frozenset(names[10:])])
    assert chosen == {names[11], names[-1]}


sizes = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=5)


@given(sizes, st.integers(0, 3))
def test_auto_fits_or_is_the_smallest(pairs: list[tuple[int, int]], headroom: int) -> None:
    box = host()
    models = {f"m{i}": on(*pair) for i, pair in enumerate(pairs)}
    plan = plan_of(stack([box], [service("r", box, models)], headroom=headroom))
    count = plan.services["r"].models_max
    assert plan.verdict is Verdict.FITS or count == 1
    if plan.verdict is Verdict.FITS and count < len(pairs):
        more = plan_of(stack([box], [service("r", box, models, limit=count + 1)], headroom=headroom))
        assert more.verdict is Verdict.OVER_BUDGET


def test_what_was_measured_need_not_be_known() -> None:
    box = host()
    figure = MeasuredUse(
        use=Reference("r", "a"), gpus=(9 * GIB, 8 * GIB), ram=None, reason="nvidia-smi, b1", index=0
    )
    linked = stack([box], [service("r", box, {"a": {}})], measured=(figure,))
    finding = error("facts/unknown-model", ("models", "a"), "not known")
    mystery = {
        name: replace(model, facts=None, diagnostics=(finding,)) for name, model in known(linked).items()
    }

    def solved(stack: LinkedStack) -> Plan:
        return solve(stack, mystery, {"sized": SizedEngine()})

    assert [gpu.high for gpu in solved(linked).gpus] == [9 * GIB, 8 * GIB]
    assert solved(linked).verdict is Verdict.FITS
    assert finding not in solved(linked).diagnostics
    without = solved(replace(linked, measured=()))
    assert without.verdict is Verdict.UNKNOWN
    assert finding in without.diagnostics


def test_a_variable_that_chooses_gpus_beside_the_plan() -> None:
    box = host()
    env = {"CUDA_VISIBLE_DEVICES": "1", "TZ": "UTC"}
    (finding,) = plan_of(stack([box], [service("r", box, {"a": on(1)}, env=env)])).diagnostics
    assert (finding.kind, finding.path) == (
        "plan/visible-devices",
        ("services", "r", "env", "CUDA_VISIBLE_DEVICES"),
    )
    without = replace(service("r", box, {}, env=env), gpus=())
    assert not plan_of(stack([box], [without])).diagnostics


def test_a_service_takes_the_same_on_each_of_its_hosts() -> None:
    first, second = host("first"), host("second")
    spread = replace(service("it", first, {"m": on(5, 6)}), workers=(second,))
    plan = plan_of(stack([first, second], [spread]))
    high = [(g.host, g.index, g.high // GIB) for g in plan.gpus]
    assert high == [("first", 0, 5), ("first", 1, 6), ("second", 0, 5), ("second", 1, 6)]
    # Its engine did not say that it can.
    assert "plan/one-host" in [d.kind for d in plan.diagnostics]


def test_the_fullest_of_its_hosts_limits_a_service() -> None:
    first, second = host("first", gpus=1), host("second", gpus=1)
    spread = replace(service("it", first, {"a": on(9), "b": on(9)}), workers=(second,))
    neighbour = service("other", second, {"m": on(10)})
    assert plan_of(stack([first, second], [spread])).services["it"].models_max == 2
    assert plan_of(stack([first, second], [spread, neighbour])).services["it"].models_max == 1
