"""Workload -> an entry of `virtualisation.oci-containers.containers`, closed by default."""

import json
from collections.abc import Iterator
from typing import Any

from stackgen.domain import podman
from stackgen.domain.document import NixExpr
from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import resolve
from stackgen.domain.systemd import cpu_weight
from stackgen.domain.target_defaults import device_nodes, of_vendor, present, question
from stackgen.domain.workload import Health, Workload
from stackgen.targets.nixos.machine import Machine
from stackgen.targets.nixos.nixtext import interpolated
from stackgen.targets.nixos.secrets import environment_files


def container(workload: Workload, machine: Machine) -> dict[str, Any]:
    """What oci-containers has to know of one service."""
    return present(
        {
            "serviceName": machine.unit(workload.name),
            "image": workload.image,
            "autoStart": False if workload.exclusive else None,
            "entrypoint": workload.entrypoint[0] if workload.entrypoint else None,
            "cmd": [*workload.entrypoint[1:], *workload.args],
            "workdir": str(workload.working_dir) if workload.working_dir else None,
            "user": workload.user,
            "environment": _environment(workload, machine),
            "environmentFiles": environment_files(workload, machine),
            "networks": [machine.network],
            "ports": [
                f"{podman.listen(port.publish)}:{port.number}/tcp" for port in workload.ports if port.publish
            ],
            "volumes": [*_mounts(workload, machine), *_config_mounts(workload, machine)],
            "devices": _devices(workload, machine),
            "capabilities": {"ALL": False} | dict.fromkeys(podman.capabilities(workload, machine), True),
            "labels": {"stackgen.engine": workload.engine},
            # The unit counts as started, and what waits for it starts, when the program answers.
            "podman": {"sdnotify": "healthy"} if workload.health else None,
            "extraOptions": list(_options(workload)),
        }
    )


def _environment(workload: Workload, machine: Machine) -> dict[str, str]:
    plain = {name: value for name, value in workload.env.items() if not isinstance(value, SecretKey)}
    values: dict[str, str] = resolve(plain, machine.url_of(workload))
    return podman.own_environment(workload) | values


def _mounts(workload: Workload, machine: Machine) -> Iterator[str]:
    for mount in workload.mounts:
        source = machine.folder_of(mount.volume) or f"{machine.deployment.name}-{mount.volume}"
        yield f"{source}:{mount.target}{':ro' if mount.read_only else ''}"


def _config_mounts(workload: Workload, machine: Machine) -> Iterator[NixExpr]:
    for file in workload.config_files:
        yield interpolated(machine.source(file, workload), f":{file.target}:ro")


def _devices(workload: Workload, machine: Machine) -> list[str]:
    cards = of_vendor(workload.gpus, "nvidia")
    cdi = [f"nvidia.com/gpu={gpu.uuid if machine.cdi_by_uuid else gpu.index}" for gpu in cards]
    return [*cdi, *device_nodes(workload.gpus)]


def _options(workload: Workload) -> Iterator[str]:
    """What oci-containers has no option of its own for."""
    yield f"--network-alias={workload.name}"
    yield "--init"
    yield "--security-opt=no-new-privileges"
    if workload.read_only_root:
        yield "--read-only"
    for folder in sorted(set(workload.writable) - {mount.target for mount in workload.mounts}):
        yield f"--tmpfs={folder}"
    if workload.cpu_request is not None:
        yield f"--cgroup-conf=cpu.weight={cpu_weight(workload.cpu_request)}"
    yield from podman.limits(workload)
    if workload.shm_size is not None:
        yield f"--shm-size={workload.shm_size}b"
    if workload.lock_memory:
        yield "--ulimit=memlock=-1:-1"
    yield f"--stop-timeout={workload.stop_grace}"
    if workload.health:
        yield from _health(workload.health)


def _health(health: Health) -> Iterator[str]:
    yield f"--health-cmd={json.dumps(question(health))}"
    yield f"--health-interval={health.interval}s"
    yield f"--health-timeout={health.timeout}s"
    yield f"--health-start-period={health.start_period}s"
    yield f"--health-retries={podman.HEALTH_RETRIES}"
