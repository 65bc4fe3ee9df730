"""What hosts have of main memory and CPUs, and what is wanted of it: rows of tables."""

from collections.abc import Iterator
from typing import NamedTuple

from stackgen.domain.plan import HostLedger, Plan
from stackgen.domain.units import show_cpus, show_size


class Table(NamedTuple):
    """A table with a row for each host; `over` are the rows of those that have too little."""

    title: str
    head: list[str]
    rows: list[list[str]]
    over: list[bool]


def tables(plan: Plan) -> Iterator[Table]:
    """Main memory where anything takes or asks for any, and CPUs where anybody asks for them."""
    memory = [host for host in plan.hosts if host.ram_high]
    asked = any(host.ram_requests for host in memory)
    if memory:
        yield Table(
            "main memory",
            ["needed at worst", *(["asked for"] if asked else []), "there is"],
            [_memory(host, asked=asked) for host in memory],
            [host.ram is not None and host.ram_high > host.ram for host in memory],
        )
    cpus = [host for host in plan.hosts if host.cpu_requests]
    if cpus:
        yield Table(
            "CPUs",
            ["asked for", "there is"],
            [
                [host.host, show_cpus(host.cpu_requests), _told(host.cpus and show_cpus(host.cpus))]
                for host in cpus
            ],
            [host.cpus is not None and host.cpu_requests > host.cpus for host in cpus],
        )


def _memory(host: HostLedger, *, asked: bool) -> list[str]:
    wanted = [show_size(host.ram_requests) if host.ram_requests else "-"] if asked else []
    return [host.host, show_size(host.ram_high), *wanted, _told(host.ram and show_size(host.ram))]


def _told(there: str | int | None) -> str:
    return str(there or "not told")
