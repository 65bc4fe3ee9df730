"""Cards that a platform hands out by number: there are too few, or the wrong one comes."""

from pathlib import Path
from typing import Any

import pytest

from stackgen.domain.diagnostic import Diagnostic
from tests.support.snippets import planned

KINDS = {"plan/whole-cards", "plan/any-card", "plan/other-card"}
ARC = {"model": "arc-a770-16gb"}
CLAIMS: dict[str, Any] = {"deploy": {"cluster": {"gpus": "claims"}}}


def program(gpus: list[int], high: int = 2, **more: Any) -> dict[str, Any]:
    """A program that takes so many GiB of each of its cards."""
    vram = {"low": "1GiB", "high": f"{high}GiB"}
    return {
        "engine": "program",
        "host": "node",
        "gpus": gpus,
        "vram": vram,
        "image": "example.org/it:1.0",
        **more,
    }


def stack(
    *, platform: str = "kubernetes", host: Any = None, services: Any = None, **more: Any
) -> dict[str, Any]:
    """Two programs that each want the only card of a node."""
    node = {"platform": platform, "ram": "64GiB", "gpus": ["rtx-3090"], **(host or {})}
    services = services or {"one": program([0]), "two": program([0])}
    return {"version": 1, "name": "home", "hosts": {"node": node}, "services": services, **more}


def findings(written: dict[str, Any], folder: Path) -> list[Diagnostic]:
    return [d for d in planned(written, folder).diagnostics if d.kind in KINDS]


def found(written: dict[str, Any], folder: Path) -> list[str]:
    return [d.kind for d in findings(written, folder)]


def test_one_of_two_pods_waits_for_ever(tmp_path: Path) -> None:
    (finding,) = findings(stack(), tmp_path)
    assert finding.kind == "plan/whole-cards"
    assert "`one` and `two` ask for 2 nvidia cards, of which node has 1" in finding.message
    assert (
        finding.hint == "exclusive: [[one, two]], of which the first runs; or gpu_sharing, if all fit at once"
    )


@pytest.mark.parametrize(
    "written",
    [
        stack(platform="compose"),
        stack(exclusive=[["one", "two"]]),
        stack(host={"gpu_sharing": {"replicas": 2}}),
        stack(host={"gpus": ["rtx-3090", "rtx-3090"]}),
        stack(**CLAIMS),
    ],
)
def test_ways_out(written: dict[str, Any], tmp_path: Path) -> None:
    assert found(written, tmp_path) == []


@pytest.mark.parametrize(
    "watcher",
    [
        {"engine": "dcgm-exporter", "host": "node", "gpus": [0]},
        program([0], 0) | {"vram": {"low": "0B", "high": "0B"}},
    ],
)
def test_who_only_watches_leaves_the_card_to_others(watcher: Any, tmp_path: Path) -> None:
    assert found(stack(services={"one": program([0]), "eye": watcher}), tmp_path) == []


@pytest.mark.parametrize("gpus", [["rtx-3090", "rx-7900-xtx"], ["rtx-3090", ARC], [ARC, "arc-b580"]])
def test_each_kind_of_card_is_counted_by_itself(gpus: list[Any], tmp_path: Path) -> None:
    (finding,) = findings(stack(host={"gpus": gpus}), tmp_path)
    assert finding.kind == "plan/whole-cards"
    assert "of which node has 1" in finding.message
    apart = stack(host={"gpus": gpus}, services={"one": program([0]), "two": program([1])})
    assert found(apart, tmp_path) == []


def test_only_the_plugin_of_nvidia_shares(tmp_path: Path) -> None:
    (finding,) = findings(stack(host={"gpus": ["rx-7900-xtx"], "gpu_sharing": {"replicas": 2}}), tmp_path)
    assert finding.hint == "exclusive: [[one, two]], of which the first runs"


def test_claims_are_of_nvidia_alone(tmp_path: Path) -> None:
    assert found(stack(host={"gpus": ["rx-7900-xtx"]}, **CLAIMS), tmp_path) == ["plan/whole-cards"]


class TestUneven:
    """A 3090 and a 4070 Ti in one node."""

    HOST = {"gpus": ["rtx-3090", "rtx-4070-ti"]}

    def test_a_card_that_is_too_small_may_come(self, tmp_path: Path) -> None:
        services = {"large": program([0], 20), "small": program([1], 6)}
        wrong, other = findings(stack(host=self.HOST, services=services), tmp_path)
        assert (wrong.kind, wrong.path) == ("plan/any-card", ("services", "large", "gpus"))
        assert "`large` may get any of the 2 nvidia cards of node" in wrong.message
        assert "GPU 1 of node (rtx-4070-ti, 11.0 GiB usable) is too small for 20.0 GiB" in wrong.message
        assert wrong.hint is not None
        assert "claims" in wrong.hint
        assert (other.kind, other.path) == ("plan/other-card", ("services", "small", "gpus"))
        assert "rtx-3090, rtx-4070-ti" in other.message

    @pytest.mark.parametrize(
        ("services", "more"),
        [
            ({"large": program([0], 20)}, CLAIMS),
            ({"large": program([0], 20)}, {"platform": "compose"}),
            ({"both": program([0, 1], 10)}, {}),
        ],
    )
    def test_ways_out(self, services: Any, more: Any, tmp_path: Path) -> None:
        assert found(stack(host=self.HOST, services=services, **more), tmp_path) == []

    def test_what_is_over_budget_anyway_is_said_once(self, tmp_path: Path) -> None:
        assert found(stack(host=self.HOST, services={"large": program([0], 30)}), tmp_path) == []

    def test_a_desktop_makes_a_card_smaller(self, tmp_path: Path) -> None:
        host = {"gpus": ["rtx-3090", {"model": "rtx-3090", "reserve": "6GiB"}]}
        assert found(stack(host=host, services={"one": program([0], 20)}), tmp_path) == ["plan/any-card"]

    def test_cards_of_amd_cannot_be_named(self, tmp_path: Path) -> None:
        host = {"gpus": ["rx-7900-xtx", "rx-6800"]}
        (finding,) = findings(stack(host=host, services={"one": program([0], 20)}, **CLAIMS), tmp_path)
        assert (finding.kind, finding.hint) == ("plan/any-card", "a node of its own for each kind of card")


@pytest.mark.parametrize(
    ("high", "replicas", "kinds"), [(14, 2, ["plan/any-card"]), (10, 2, []), (8, 3, ["plan/any-card"])]
)
def test_shares_may_be_of_one_card(high: int, replicas: int, kinds: list[str], tmp_path: Path) -> None:
    host = {"gpus": ["rtx-3090", "rtx-3090"], "gpu_sharing": {"replicas": replicas}}
    services = {"a": program([0], high), "b": program([1], high), "c": program([1], 8)}
    assert found(stack(host=host, services=services), tmp_path) == kinds
