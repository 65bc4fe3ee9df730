"""The figures of a plan as time series, so that they can stand beside what is measured."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from stackgen.domain.plan import GpuLedger, Plan

USED: Final = "stackgen:gpu_memory_used_bytes"
"""What is measured, by `host` and `gpu`."""
USABLE: Final = "stackgen:gpu_memory_usable_bytes"
LOW: Final = "stackgen:gpu_memory_low_bytes"
HIGH: Final = "stackgen:gpu_memory_high_bytes"
RESERVED: Final = "stackgen:gpu_memory_reserved_bytes"
"""What programs outside of the stack take of a GPU, as stack.yaml says."""
PLANNED: Final = "stackgen:gpu_memory_planned_bytes"
"""What a service takes of a GPU in its worst case, by `service` and `bound` as well."""


class Line(NamedTuple):
    """A constant series: its name, its labels, and its value in bytes."""

    name: str
    labels: dict[str, str]
    value: int


def lines(plan: Plan) -> Iterator[Line]:
    """The lines of every GPU: the worst case of all services, and of each of them."""
    for ledger in plan.gpus:
        labels = {"host": ledger.host, "gpu": str(ledger.index)}
        gpus = plan.stack.hosts[ledger.host].gpus
        reserved = next(gpu.reserve for gpu in gpus if gpu.index == ledger.index)
        yield Line(USABLE, labels, ledger.usable)
        yield Line(LOW, labels, ledger.low)
        yield Line(HIGH, labels, ledger.high)
        yield Line(RESERVED, labels, reserved)
        for service in services_on(ledger):
            memories = [memory for resident, memory in ledger.residents if resident.service == service]
            for bound, value in (
                ("low", sum(memory.low for memory in memories)),
                ("high", sum(memory.high for memory in memories)),
            ):
                yield Line(PLANNED, {**labels, "service": service, "bound": bound}, value)


def services_on(ledger: GpuLedger) -> list[str]:
    """The services that may hold memory there."""
    return sorted({resident.service for resident, memory in ledger.residents if memory.high})
