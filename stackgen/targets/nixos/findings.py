"""What a stack asks for and NixOS cannot give, or what would fail only when it starts."""

import re
from collections.abc import Iterator
from functools import partial

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.host_findings import mount_options, no_owner, paths, port_mapping, same_port
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
from stackgen.emit.unit import why_not_word
from stackgen.targets.nixos.machine import MODULES, Machine, is_native

_PROGRAM = re.compile(r"(/[A-Za-z0-9._+-]+)+")


def findings(machine: Machine) -> Iterator[Diagnostic]:
    """Everything that is wrong with one host's module."""
    for workload in machine.workloads:
        yield from unreachable(workload, machine, partial(machine.address, caller=workload))
        yield from exposed(workload, machine)
        yield from spread(workload)
        yield from unreserved(workload, {"ram": workload.memory_request})
        yield from _gpus(workload, machine)
        yield from after_elsewhere(workload, machine)
        if machine.module(workload.name):
            yield from _module(workload, machine)
        elif is_native(workload):
            yield from _native(workload)
        else:
            yield from container_user(workload)
    yield from same_port([w for w in machine.workloads if is_native(w)])
    yield from paths(machine)
    yield from mount_options(machine, "fileSystems")
    yield from _managed(machine)
    yield from _modules(machine)


def why_not_native(workload: Workload) -> str | None:
    """Why systemd cannot run its command, or None."""
    if not _PROGRAM.fullmatch(workload.program):
        return f"systemd runs a program by its absolute path, not {workload.program!r}"
    return next((reason for word in workload.args if (reason := why_not_word(word))), None)


def _gpus(workload: Workload, machine: Machine) -> Iterator[Diagnostic]:
    for vendor in sorted({gpu.vendor for gpu in workload.gpus} - VISIBLE_DEVICES.keys()):
        yield from gpus_left_out(workload, machine, vendor)


def _native(workload: Workload) -> Iterator[Diagnostic]:
    if reason := why_not_native(workload):
        yield error(
            "nixos/program",
            (*workload.path, "options", "program"),
            f"`{workload.name}` has no image, so it runs as a plain service: {reason}",
            f"give it an `image`, or the path of a program, such as /run/current-system/sw/bin/{workload.name}",
        )
    yield from port_mapping(workload)
    yield from no_owner(workload)


def _managed(machine: Machine) -> Iterator[Diagnostic]:
    users: dict[str, list[Workload]] = {}
    for workload in machine.workloads:
        for mount in workload.mounts:
            users.setdefault(mount.volume, []).append(workload)
    for name, workloads in sorted(users.items()):
        volume = machine.volume(name)
        if volume.managed and len({is_native(workload) for workload in workloads}) > 1:
            yield error(
                "nixos/managed-volume",
                ("volumes", name),
                "a plain service and a container cannot share storage that the platform provides",
                f"{name}: {{path: /srv/{name}}}",
            )


def _module(workload: Workload, machine: Machine) -> Iterator[Diagnostic]:
    for mount in workload.mounts:
        if not mount.read_only and machine.folder_of(mount.volume):
            yield error(
                "nixos/module-volume",
                ("volumes", mount.volume),
                f"the module of nixpkgs for `{workload.name}` keeps its data in a place of its own",
                f"{mount.volume}: {{managed: true}}",
            )


def _modules(machine: Machine) -> Iterator[Diagnostic]:
    """Modules that nixpkgs does not have, or that two services would share."""
    taken: dict[str, str] = {}
    for index, name in enumerate(machine.deployment.deploy.nixos_modules):
        path = ("deploy", "nixos_modules", index)
        if name not in machine.places:
            yield error("nixos/no-module", path, f"there is no service `{name}`", "leave it out")
        elif (workload := machine.local(name)) is None:
            continue
        elif (module := machine.module(name)) is None:
            message = f"nixpkgs has no module for the engine `{workload.engine}` that could run `{name}`"
            yield error("nixos/no-module", path, message, f"one of {', '.join(MODULES)}; else an image")
        elif (other := taken.setdefault(module, name)) != name:
            message = f"`{name}` and `{other}` would both be services.{module}, of which a host has one"
            yield error("nixos/no-module", path, message, "leave one of them to its image")
