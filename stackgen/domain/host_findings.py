"""What is wrong with programs that run outside of containers, whatever starts them."""

import re
from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.site import Site
from stackgen.domain.wording import one_of
from stackgen.domain.workload import Workload

_BINARY: Final = re.compile(r"(/[A-Za-z0-9._+-]+)+|[A-Za-z0-9_+-][A-Za-z0-9._+-]*")


def is_binary(program: str) -> bool:
    """Whether systemd can start a program of this name or path."""
    return _BINARY.fullmatch(program) is not None


def port_mapping(workload: Workload) -> Iterator[Diagnostic]:
    """Ports that are to be published elsewhere than where the program listens."""
    for port in workload.ports:
        if port.publish and port.publish.port != port.number:
            yield error(
                "render/port-mapping",
                (*workload.path, "publish"),
                f"`{workload.name}` listens on port {port.number}, and nothing maps the ports of a plain service",
                f"publish: {port.number}",
            )


def listens_everywhere(workload: Workload) -> Iterator[Diagnostic]:
    """Ports that the stack opens to nobody, or not to all, of a program that nothing can tell where to listen."""
    untold = workload.ports[1:] if workload.listen else workload.ports
    if open_ports := [str(p.number) for p in untold if not (p.publish and p.publish.everywhere)]:
        yield warning(
            "render/listens-everywhere",
            workload.path,
            f"`{workload.name}` listens on port {one_of(open_ports, 'and')} of every address of its host, "
            "and cannot be told otherwise",
            "close that in the firewall of the host, or let the program's own options name 127.0.0.1",
        )


def no_owner(workload: Workload) -> Iterator[Diagnostic]:
    """A program of the host that writes to its own folder, as a user that owns none."""
    if not workload.image and workload.user is None and not workload.read_only_root:
        yield warning(
            "render/no-owner",
            workload.path,
            f"`{workload.name}` runs as a user that owns nothing, and can write only to its volumes",
            "user: '1000:100' for a program in a folder of that user",
        )


def same_port(workloads: list[Workload]) -> Iterator[Diagnostic]:
    """Two programs that want to listen on one port of their host, and do not take turns."""
    seen: dict[int, Workload] = {}
    for workload in workloads:
        for port in workload.ports:
            other = seen.setdefault(port.number, workload)
            if other is not workload and not set(other.exclusive) & set(workload.exclusive):
                yield error(
                    "render/same-port",
                    workload.path,
                    f"`{workload.name}` and `{other.name}` both listen on port {port.number} of their host",
                    "publish one of them elsewhere if it can be told where to listen; else run it on another host",
                )


def paths(host: Site) -> Iterator[Diagnostic]:
    """Folders that systemd or Podman would read as two."""
    for name, volume in host.volumes.items():
        if volume.path and ":" in volume.path:
            yield error(
                "render/colon-in-path",
                ("volumes", name, "path"),
                "neither Podman nor systemd takes a `:` here",
                "rename the folder",
            )


def mount_options(host: Site, place: str) -> Iterator[Diagnostic]:
    """Mount options of what is not mounted; `place` is where they would go instead."""
    for name, volume in host.volumes.items():
        if volume.mount_options and volume.nfs is None:
            yield warning(
                "render/mount-options",
                ("volumes", name, "mount_options"),
                "only NFS volumes are mounted here",
                f"put them into {place} of the host",
            )
