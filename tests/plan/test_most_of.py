"""What one service may take of each of its GPUs, for those who check it before they start it."""

from dataclasses import replace

from stackgen.domain.plan import PlannedService
from stackgen.domain.units import GIB
from stackgen.plan.ledger import most_of
from stackgen.plan.solve import solve
from tests.support.planning import SizedEngine, host, known, service, stack


def planned(limit: int) -> PlannedService:
    box = host()
    sizes = {"a": (9, 1), "b": (8, 8), "c": (1, 9)}
    models = {name: {"gpus": dict(enumerate(size))} for name, size in sizes.items()}
    linked = stack([box], [service("r", box, models, limit=limit)])
    return solve(linked, known(linked), {"sized": SizedEngine()}).services["r"]


def test_the_largest_models_that_may_meet_on_each_gpu() -> None:
    assert most_of(planned(1)) == {0: 9 * GIB, 1: 9 * GIB}
    assert most_of(planned(2)) == {0: 17 * GIB, 1: 17 * GIB}


def test_nothing_when_nobody_knows() -> None:
    of = planned(1)
    assert most_of(replace(of, demand=replace(of.demand, unknown=True))) == {}
