"""What a native service and a container have in common as systemd units: when they start, and what must hold."""

from collections.abc import Iterator
from typing import Any, Final

from stackgen.domain.document import NixExpr
from stackgen.domain.target_defaults import device_nodes, gpu_ids, of_vendor, present
from stackgen.domain.units import MIB
from stackgen.domain.workload import Workload
from stackgen.emit import shell
from stackgen.emit.unit import words
from stackgen.targets.nixos.machine import Machine, is_native
from stackgen.targets.nixos.nixtext import forced, interpolated

GATE_WAIT: Final = 60
"""Seconds that the gate gives the driver, the volumes and those who leave a GPU."""
_RESTART: Final = 30
_BURST: Final = 5
_INTERVAL: Final = 600
"""More than `_BURST` times a full wait and a restart, or systemd would never give up."""
_PULL: Final = 3600
"""Seconds for the download of an image."""
_CDI: Final = "nvidia-container-toolkit-cdi-generator.service"


def common(workload: Workload, machine: Machine) -> dict[str, Any]:
    """The unit of a service, but for how it runs."""
    nvidia = bool(of_vendor(workload.gpus, "nvidia"))
    gate = list(_gate(workload, machine))
    return present(
        {
            "description": f"{workload.name} of {machine.deployment.name} ({workload.engine})",
            "after": [
                *machine.units_before(workload.name),
                *_before(workload, machine),
                *_later_rivals(workload, machine),
            ],
            "wants": _wanted(workload, machine),
            "requires": machine.units_before(workload.name),
            "conflicts": [f"{machine.unit(name)}.service" for name in rivals(workload, machine)],
            "unitConfig": present({"RequiresMountsFor": list(_folders(workload, machine))}),
            "startLimitIntervalSec": _INTERVAL,
            "startLimitBurst": _BURST,
            "path": [
                *([NixExpr("pkgs.util-linux")] if gate else []),
                *([NixExpr("config.hardware.nvidia.package")] if nvidia and gate else []),
            ],
            "preStart": interpolated(
                NixExpr("pkgs.bash"),
                "/bin/bash ",
                NixExpr("./gate.sh"),
                f" {shell.join(('--wait', str(GATE_WAIT), *gate))}",
            )
            if gate
            else None,
        }
    )


def around_container(workload: Workload, machine: Machine) -> dict[str, Any]:
    """What is added to the unit that oci-containers makes; it restarts always, and waits for ever to start."""
    network = f"{machine.deployment.name}-network.service"
    unit = common(workload, machine)
    start_period = workload.health.start_period if workload.health else 0
    return unit | {
        "requires": [network, *unit.get("requires", ())],
        "after": [network, *unit.get("after", ())],
        "serviceConfig": {
            "Restart": forced("on-failure"),
            "RestartSec": _RESTART,
            "TimeoutStartSec": forced(GATE_WAIT + _PULL + start_period),
            # Podman waits as long as the program may take, and then needs a moment itself.
            "TimeoutStopSec": forced(workload.stop_grace + 15),
        },
    }


def restart() -> dict[str, Any]:
    """The same for a native service."""
    return {"Restart": "on-failure", "RestartSec": _RESTART}


def rivals(workload: Workload, machine: Machine) -> list[str]:
    """The services of this host that must be down while this one is up."""
    groups = [members for group, members in machine.deployment.exclusive if group in workload.exclusive]
    names = {name for members in groups for name in members} - {workload.name}
    return sorted(name for name in names if machine.local(name))


def _before(workload: Workload, machine: Machine) -> Iterator[str]:
    yield from (f"{machine.unit(name)}.service" for name in sorted(workload.after) if machine.local(name))
    if is_native(workload):
        yield "network-online.target"
    elif of_vendor(workload.gpus, "nvidia"):
        yield _CDI


def _wanted(workload: Workload, machine: Machine) -> list[str]:
    # To want a service of an exclusive group would stop the one of them that is up.
    turns = {f"{machine.unit(w.name)}.service" for w in machine.workloads if w.exclusive}
    return [name for name in _before(workload, machine) if name not in turns]


def _later_rivals(workload: Workload, machine: Machine) -> list[str]:
    # With an order between them, whichever starts waits until the other has stopped and left the GPU.
    return [f"{machine.unit(name)}.service" for name in rivals(workload, machine) if name > workload.name]


def _folders(workload: Workload, machine: Machine) -> Iterator[str]:
    volumes = sorted({mount.volume for mount in workload.mounts})
    yield from (words([folder]) for name in volumes if (folder := machine.folder_of(name)))


def _gate(workload: Workload, machine: Machine) -> Iterator[str]:
    """The arguments of gate.sh; none = nothing to check."""
    needs = machine.deployment.gpu_memory.get(workload.name, {})
    cards = of_vendor(workload.gpus, "nvidia")
    for node in [*(["/dev/nvidia-uvm"] if cards else []), *device_nodes(workload.gpus)]:
        yield from ("--device", node)
    for gpu, name in zip(cards, gpu_ids(workload.gpus, "nvidia"), strict=True):
        yield from ("--gpu", f"{name}={-(-needs.get(gpu.index, 0) // MIB)}")
    for volume in sorted({mount.volume for mount in workload.mounts}):
        if folder := machine.folder_of(volume):
            yield from ("--mount" if machine.volume(volume).nfs else "--folder", folder)
    for port in workload.ports:
        if is_native(workload):
            yield from ("--port", str(port.number))
        elif port.publish:
            yield from ("--port", str(port.publish.port))
