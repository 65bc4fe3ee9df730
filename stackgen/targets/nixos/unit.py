"""What a native service and a container have in common as systemd units: when they start, and what must hold."""

from collections.abc import Iterable
from typing import Any, Final

from stackgen.domain import podman, systemd
from stackgen.domain.document import NixExpr, UnitArgv, UnitWords
from stackgen.domain.target_defaults import of_vendor, present
from stackgen.domain.workload import Workload
from stackgen.emit import shell
from stackgen.emit.unit import command, words
from stackgen.targets.nixos.machine import Machine, is_native
from stackgen.targets.nixos.nixtext import forced, interpolated

_CDI: Final = "nvidia-container-toolkit-cdi-generator.service"


def common(workload: Workload, machine: Machine) -> dict[str, Any]:
    """The unit of a service, but for how it runs."""
    nvidia = bool(of_vendor(workload.gpus, "nvidia"))
    gate = systemd.gate(workload, machine, _ports(workload))
    order = systemd.order(workload, machine, *_system(workload))
    return present(
        {
            "description": f"{workload.name} of {machine.deployment.name} ({workload.engine})",
            "after": list(order.after),
            "wants": list(order.wants),
            "requires": list(order.requires),
            "conflicts": list(order.conflicts),
            "unitConfig": present({"RequiresMountsFor": [words([folder]) for folder in order.folders]}),
            "startLimitIntervalSec": systemd.INTERVAL,
            "startLimitBurst": systemd.BURST,
            "path": [
                *([NixExpr("pkgs.util-linux")] if gate else []),
                *([NixExpr("config.hardware.nvidia.package")] if nvidia and gate else []),
            ],
            "preStart": interpolated(
                NixExpr("pkgs.bash"), "/bin/bash ", NixExpr("./gate.sh"), f" {shell.join(gate)}"
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
            "RestartSec": systemd.RESTART,
            "TimeoutStartSec": forced(systemd.GATE_WAIT + podman.PULL + start_period),
            # Podman waits as long as the program may take, and then needs a moment itself.
            "TimeoutStopSec": forced(workload.stop_grace + podman.STOP_GRACE),
        },
    }


def settings(section: dict[str, Any]) -> dict[str, Any]:
    """A section of a unit as `serviceConfig` takes it: text, of which systemd makes words."""
    return {key: _setting(value) for key, value in section.items()}


def _setting(value: Any) -> Any:
    match value:
        case UnitArgv():
            return command(value)
        case UnitWords():
            return words(value.words)
        case list():
            return [_setting(item) for item in value]
        case _:
            return value


def _system(workload: Workload) -> tuple[str, ...]:
    if is_native(workload):
        return ("network-online.target",)
    return (_CDI,) if of_vendor(workload.gpus, "nvidia") else ()


def _ports(workload: Workload) -> Iterable[int]:
    if is_native(workload):
        return [port.number for port in workload.ports]
    return [port.publish.port for port in workload.ports if port.publish]
