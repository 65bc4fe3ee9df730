"""Main memory and CPUs of hosts, as rows."""

import pytest

from stackgen.domain.plan import HostLedger, Plan, Verdict
from stackgen.domain.units import GIB
from stackgen.report.hosts import tables
from tests.support.planning import stack


def plan(*hosts: HostLedger) -> Plan:
    return Plan(stack=stack([], []), verdict=Verdict.FITS, hosts=hosts)


NODE = HostLedger(
    host="node", ram=16 * GIB, ram_high=8 * GIB, ram_requests=4 * GIB, cpus=8000, cpu_requests=1500
)
BOX = HostLedger(host="box", ram=None, ram_high=GIB, ram_requests=0, cpus=4000, cpu_requests=0)


def test_requests_have_a_column_where_there_are_any() -> None:
    memory, cpus = tables(plan(NODE, BOX))
    assert memory.head == ["needed at worst", "asked for", "there is"]
    assert memory.rows == [["node", "8.0 GiB", "4.0 GiB", "16.0 GiB"], ["box", "1.0 GiB", "-", "not told"]]
    assert cpus.rows == [["node", "1.5", "8"]]


def test_nobody_asks_on_a_box() -> None:
    (memory,) = tables(plan(BOX))
    assert memory.head == ["needed at worst", "there is"]


@pytest.mark.parametrize(("asked", "over"), [(8000, False), (8001, True)])
def test_too_much_is_marked(asked: int, over: bool) -> None:
    _, cpus = tables(plan(NODE._replace(cpu_requests=asked)))
    assert cpus.over == [over]


def test_nothing_to_tell() -> None:
    assert not list(tables(plan(BOX._replace(ram_high=0))))
