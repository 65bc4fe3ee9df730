"""What a stack asks for and NixOS cannot give, or what would fail only when it starts."""

import re
from collections.abc import Iterator

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.reach import urls
from stackgen.domain.workload import Workload
from stackgen.emit.unit import why_not_word
from stackgen.targets.nixos.machine import DEVICE_NODES, VISIBLE_DEVICES, Machine, is_native

_PROGRAM = re.compile(r"(/[A-Za-z0-9._+-]+)+")


def findings(machine: Machine) -> Iterator[Diagnostic]:
    """Everything that is wrong with one host's module."""
    for workload in machine.workloads:
        yield from _unreachable(workload, machine)
        yield from _no_proxy(workload)
        yield from _gpus(workload, machine)
        yield from _elsewhere(workload, machine)
        if is_native(workload):
            yield from _native(workload)
    yield from _volumes(machine)


def why_not_native(workload: Workload) -> str | None:
    """Why systemd cannot run its command, or None."""
    if not _PROGRAM.fullmatch(workload.program):
        return f"systemd runs a program by its absolute path, not {workload.program!r}"
    return next((reason for word in workload.args if (reason := why_not_word(word))), None)


def _unreachable(workload: Workload, machine: Machine) -> Iterator[Diagnostic]:
    for service in sorted({url.service for url in urls(workload)}):
        if machine.address(service, workload) is not None:
            continue
        place = machine.places.get(service)
        hint = None
        if place is None:
            message = "it is not among the services to deploy"
        elif place.port is None:
            message = "it has no port"
        elif machine.local(service):
            message = "a program on the host sees a container only where it is published"
            hint = f"add `publish` to services.{service}"
        else:
            message, hint = place.why_not_outside()
        message = f"`{workload.name}` cannot reach `{service}`: {message}"
        yield error("nixos/unreachable", (*workload.path, "uses"), message, hint)


def _no_proxy(workload: Workload) -> Iterator[Diagnostic]:
    if workload.expose is None:
        return
    published = [port.publish for port in workload.ports if port.publish]
    listens = f"{published[0].address}:{published[0].port}" if published else None
    yield warning(
        "nixos/expose-without-proxy",
        (*workload.path, "expose"),
        f"nothing is rendered for {workload.expose.hostname}: which proxy the host has is not known",
        f"point it at {listens}"
        if listens
        else f"add `publish` to services.{workload.name} and point a proxy of the host at that port",
    )


def _gpus(workload: Workload, machine: Machine) -> Iterator[Diagnostic]:
    path = (*workload.path, "gpus")
    for vendor in sorted({gpu.vendor for gpu in workload.gpus} - {"nvidia"}):
        if vendor not in DEVICE_NODES:
            yield error("nixos/gpu-vendor", path, f"no way is known to give {vendor} GPUs to a service")
            continue
        claimed = {gpu.index for gpu in workload.gpus}
        left = [g.index for g in machine.host.host.gpus if g.vendor == vendor and g.index not in claimed]
        if left and vendor not in VISIBLE_DEVICES:
            yield error(
                "nixos/gpu-selection",
                path,
                f"a service gets all {vendor} GPUs of its host or none, and GPU {left[0]} is missing",
                f"give `{workload.name}` all of them; the device nodes of a single one have no fixed names",
            )


def _elsewhere(workload: Workload, machine: Machine) -> Iterator[Diagnostic]:
    for name in workload.after:
        if machine.local(name) is None:
            yield warning(
                "nixos/after-elsewhere",
                workload.path,
                f"`{workload.name}` cannot wait for `{name}`, which is not on its host",
            )


def _native(workload: Workload) -> Iterator[Diagnostic]:
    if reason := why_not_native(workload):
        yield error(
            "nixos/program",
            (*workload.path, "options", "program"),
            f"`{workload.name}` has no image, so it runs as a plain service: {reason}",
            f"give it an `image`, or the path of a program, such as /run/current-system/sw/bin/{workload.name}",
        )
    for port in workload.ports:
        if port.publish and port.publish.port != port.number:
            yield error(
                "nixos/port-mapping",
                (*workload.path, "publish"),
                f"`{workload.name}` listens on port {port.number}, and nothing maps ports of a plain service",
                f"publish: {port.number}",
            )
    if workload.user is None and not workload.read_only_root:
        yield warning(
            "nixos/no-owner",
            workload.path,
            f"`{workload.name}` runs as a user that owns nothing, and can write only to its volumes",
            "options: {user: '1000:100'} for a program in a folder of that user",
        )


def _volumes(machine: Machine) -> Iterator[Diagnostic]:
    users: dict[str, list[Workload]] = {}
    for workload in machine.workloads:
        for mount in workload.mounts:
            users.setdefault(mount.volume, []).append(workload)
    for name, workloads in sorted(users.items()):
        volume = machine.volume(name)
        if volume.path and ":" in volume.path:
            yield error(
                "nixos/path", ("volumes", name, "path"), "neither Podman nor systemd takes a `:` here"
            )
        if volume.mount_options and volume.nfs is None:
            yield warning(
                "nixos/mount-options",
                ("volumes", name, "mount_options"),
                "only NFS volumes are mounted by this module",
                "put them into fileSystems of the host",
            )
        if volume.managed and len({is_native(workload) for workload in workloads}) > 1:
            yield error(
                "nixos/managed-volume",
                ("volumes", name),
                "a plain service and a container cannot share storage that the platform provides",
                f"{name}: {{path: /srv/{name}}}",
            )
