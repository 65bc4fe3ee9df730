"""Workload -> a .container file, closed by default.

Podman's generator copies what stands here into the command line of a unit, where systemd reads `%` and `$`. The
emitter protects `%`; `$` is doubled here, in every setting that can hold one.
"""

import json
from collections.abc import Iterator
from typing import Any

from stackgen.domain import podman
from stackgen.domain.document import UnitArgv, UnitWords
from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import resolve
from stackgen.domain.systemd import (
    BURST,
    DOWNLOAD_ATTEMPTS,
    GATE,
    GATE_WAIT,
    INTERVAL,
    RESTART,
    cpu_weight,
    fixed,
    gate,
    order,
)
from stackgen.domain.target_defaults import device_nodes, of_vendor, present, question, reload_command
from stackgen.domain.workload import Health, Workload
from stackgen.targets.quadlet.pod_host import PodHost

Unit = dict[str, Any]


def container(workload: Workload, host: PodHost) -> Unit:
    """The quadlet of one service."""
    start_period = workload.health.start_period if workload.health else 0
    asking = reload_command(workload)
    service = {
        "ExecStartPre": _gate(workload, host),
        "ExecReload": UnitArgv(("podman", "exec", host.unit(workload.name), *asking)) if asking else None,
        # Of the unit, for Podman puts the container below it, where nobody else is.
        "CPUWeight": cpu_weight(workload.cpu_request),
        "Restart": "on-failure",
        "RestartSec": RESTART,
        "TimeoutStartSec": GATE_WAIT + podman.PULL + start_period,
        # Podman waits as long as the program may take, and then needs a moment itself.
        "TimeoutStopSec": workload.stop_grace + podman.STOP_GRACE,
    }
    own = {
        "Network": f"{host.deployment.name}.network",
        "NetworkAlias": workload.name,
        "PublishPort": [
            f"{podman.listen(port.publish)}:{port.number}/tcp" for port in workload.ports if port.publish
        ],
        "Secret": [f"{host.secret(s)},type=env,target={n}" for n, s in host.secrets(workload).items()],
        **(_health(workload.health) if workload.health else {}),
    }
    install = {} if workload.exclusive else {"Install": {"WantedBy": "multi-user.target"}}
    limits = {"StartLimitIntervalSec": INTERVAL, "StartLimitBurst": BURST}
    return {
        "Unit": _head(workload, host) | limits,
        "Container": _container(workload, host) | present(own),
        "Service": present(service),
        **install,
    }


def download(job: Workload, host: PodHost) -> Unit:
    """The quadlet of a job of `domain.downloads`, which runs once, as root, for the folder may be anybody's."""
    tokens = host.secrets(job)
    files = {
        "DOWNLOAD_ATTEMPTS": str(DOWNLOAD_ATTEMPTS),
        **{f"{name}_PATH": f"/run/secrets/{host.secret(secret)}" for name, secret in tokens.items()},
    }
    own = {
        "Entrypoint": json.dumps([job.program]),
        "User": "0",
        "Group": "0",
        "AddCapability": ["DAC_OVERRIDE"],
        "Environment": list(_assignments(files)),
        "Secret": [host.secret(secret) for secret in tokens.values()],
    }
    return {
        "Unit": _head(job, host),
        "Container": _container(job, host) | present(own),
        "Service": present(
            {
                "Type": "oneshot",
                "RemainAfterExit": True,
                "ExecStartPre": _gate(job, host),
                "TimeoutStartSec": "infinity",
            }
        ),
    }


def _container(workload: Workload, host: PodHost) -> Unit:
    user, _, group = (workload.user or "").partition(":")
    entrypoint = json.dumps(workload.entrypoint, ensure_ascii=False) if workload.entrypoint else None
    return present(
        {
            "ContainerName": host.unit(workload.name),
            "Image": workload.image or None,
            "Entrypoint": entrypoint and _literal(entrypoint),
            "Exec": UnitWords(tuple(map(_literal, workload.args))) if workload.args else None,
            "WorkingDir": _literal(str(workload.working_dir)) if workload.working_dir else None,
            "User": user or None,
            "Group": group or None,
            "Environment": list(_environment(workload, host)),
            "Volume": list(_volumes(workload, host)),
            "Tmpfs": [
                _literal(str(folder))
                for folder in sorted(set(workload.writable) - {mount.target for mount in workload.mounts})
            ],
            "AddDevice": [
                *(f"nvidia.com/gpu={gpu.uuid or gpu.index}" for gpu in of_vendor(workload.gpus, "nvidia")),
                *device_nodes(workload.gpus),
            ],
            "ReadOnly": True if workload.read_only_root else None,
            "DropCapability": "all",
            "AddCapability": podman.capabilities(workload, host),
            "NoNewPrivileges": True,
            "RunInit": True,
            "PodmanArgs": list(podman.limits(workload)),
            "ShmSize": None if workload.shm_size is None else f"{workload.shm_size}b",
            "Ulimit": "memlock=-1:-1" if workload.lock_memory else None,
            "StopTimeout": workload.stop_grace,
            # The tag says which build the plan was made for; nobody else may change it.
            "Label": [f"stackgen.engine={workload.engine}", "io.containers.autoupdate=disabled"],
        }
    )


def _literal(text: str) -> str:
    return text.replace("$", "$$")


def _environment(workload: Workload, host: PodHost) -> Iterator[UnitWords]:
    plain = {name: value for name, value in workload.env.items() if not isinstance(value, SecretKey)}
    yield from _assignments(podman.own_environment(workload) | resolve(plain, host.url))


def _assignments(values: dict[str, str]) -> Iterator[UnitWords]:
    for name, value in values.items():
        yield UnitWords((_literal(f"{name}={value}"),))


def _volumes(workload: Workload, host: PodHost) -> Iterator[str]:
    for mount in workload.mounts:
        yield _literal(f"{host.source(mount.volume)}:{mount.target}{':ro' if mount.read_only else ''}")
    for file in workload.config_files:
        yield _literal(f"{host.place / workload.name / file.name}:{file.target}:ro")


def _health(health: Health) -> Unit:
    return {
        "HealthCmd": _literal(json.dumps(question(health), ensure_ascii=False)),
        "HealthInterval": f"{health.interval}s",
        "HealthTimeout": f"{health.timeout}s",
        "HealthStartPeriod": f"{health.start_period}s",
        "HealthRetries": podman.HEALTH_RETRIES,
        # The unit counts as started, and what waits for it starts, when the program answers.
        "Notify": "healthy",
    }


def _head(workload: Workload, host: PodHost) -> Unit:
    found = order(workload, host)
    return present(
        {
            "Description": f"{workload.name} of {host.deployment.name} ({workload.engine})",
            "After": UnitWords(found.after) if found.after else None,
            "Wants": UnitWords(found.wants) if found.wants else None,
            "Requires": UnitWords(found.requires) if found.requires else None,
            "Conflicts": UnitWords(found.conflicts) if found.conflicts else None,
            "RequiresMountsFor": UnitWords(found.folders) if found.folders else None,
            "X-ReadAtStart": fixed(workload),
        }
    )


def _gate(workload: Workload, host: PodHost) -> UnitArgv | None:
    arguments = gate(workload, host, [port.publish.port for port in workload.ports if port.publish])
    return UnitArgv(("/bin/bash", str(host.place / GATE), *arguments)) if arguments else None
