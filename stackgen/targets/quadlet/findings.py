"""What a stack asks for and quadlets cannot give, or what would fail only when they start."""

from collections.abc import Iterator

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.host_findings import mount_options, paths
from stackgen.domain.target_defaults import (
    VISIBLE_DEVICES,
    after_elsewhere,
    container_user,
    exposed,
    gpus_left_out,
    spread,
    unreachable,
    unreserved,
)
from stackgen.domain.workload import Workload
from stackgen.targets.quadlet.pod_host import PodHost


def findings(host: PodHost) -> Iterator[Diagnostic]:
    """Everything that is wrong with one host's quadlets."""
    for workload in host.workloads:
        yield from unreachable(workload, host, host.address)
        yield from exposed(workload, host)
        yield from spread(workload)
        yield from unreserved(workload, {"ram": workload.memory_request})
        yield from after_elsewhere(workload, host)
        yield from _container(workload)
        yield from container_user(workload)
        for vendor in sorted({gpu.vendor for gpu in workload.gpus} - VISIBLE_DEVICES.keys()):
            yield from gpus_left_out(workload, host, vendor)
    yield from paths(host)
    yield from mount_options(host, "/etc/fstab")


def _container(workload: Workload) -> Iterator[Diagnostic]:
    if not workload.image:
        yield error(
            "quadlet/no-image",
            workload.path,
            f"`{workload.name}` names no image, and Podman runs nothing else",
            "an `image`, or a host with `platform: systemd` for programs of its own",
        )
    if "" in workload.args:
        yield error(
            "quadlet/empty-argument",
            (*workload.path, "options"),
            f"`{workload.name}` is given an empty argument; Podman's generator drops it and all that follow",
            "leave it out, or write --name=VALUE in one word",
        )
