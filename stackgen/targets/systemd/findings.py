"""What a stack asks for and plain units cannot give, or what would fail only when they start."""

from collections.abc import Iterator

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.host_findings import (
    is_binary,
    listens_everywhere,
    mount_options,
    no_owner,
    paths,
    port_mapping,
    same_port,
)
from stackgen.domain.target_defaults import (
    VISIBLE_DEVICES,
    after_elsewhere,
    exposed,
    gpus_left_out,
    spread,
    unreachable,
    unreserved,
)
from stackgen.domain.workload import Workload
from stackgen.emit.unit import why_not_word
from stackgen.targets.systemd.box import Box


def findings(box: Box) -> Iterator[Diagnostic]:
    """Everything that is wrong with one host's units."""
    for workload in box.workloads:
        yield from unreachable(workload, box, box.address)
        yield from exposed(workload, box)
        yield from spread(workload)
        yield from unreserved(workload, {"ram": workload.memory_request})
        yield from after_elsewhere(workload, box)
        yield from port_mapping(workload)
        yield from listens_everywhere(workload)
        yield from no_owner(workload)
        yield from _program(workload)
        for vendor in sorted({gpu.vendor for gpu in workload.gpus} - VISIBLE_DEVICES.keys()):
            yield from gpus_left_out(workload, box, vendor)
    yield from same_port(box.workloads)
    yield from paths(box)
    yield from mount_options(box, "/etc/fstab")


def why_not(workload: Workload) -> str | None:
    """Why systemd cannot run its command, or None."""
    if not is_binary(workload.program):
        return f"systemd runs a program by its name or its absolute path, not {workload.program!r}"
    return next((reason for word in workload.args if (reason := why_not_word(word))), None)


def _program(workload: Workload) -> Iterator[Diagnostic]:
    if reason := why_not(workload):
        message = f"`{workload.name}` cannot be started: {reason}"
        yield error(
            "systemd/program", (*workload.path, "options"), message, "options: {program: /usr/bin/it}"
        )
