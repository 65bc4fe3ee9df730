"""Workload -> its container, closed by default."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import resolve
from stackgen.domain.target_defaults import cuda_order, present
from stackgen.domain.workload import EnvValue, GroupFact, Health, Workload
from stackgen.targets.kubernetes.cards import gpu_resource, held, shown
from stackgen.targets.kubernetes.claims import gpu_claims
from stackgen.targets.kubernetes.cluster import Cluster
from stackgen.targets.kubernetes.config import config_mounts, volume_name
from stackgen.targets.kubernetes.text import cpus, digest, fitted, literal, port_name, quantity

_GROUP: Final = {
    GroupFact.LEADER: "$(LWS_LEADER_ADDRESS)",
    GroupFact.SIZE: "$(LWS_GROUP_SIZE)",
    GroupFact.RANK: "$(LWS_WORKER_INDEX)",
}
_SLOWEST_START: Final = 300
"""Seconds that a program gets at least: images are unpacked, disks are slow."""
TMP: Final = PurePosixPath("/tmp")  # noqa: S108  in the container


def container(workload: Workload, cluster: Cluster, args: Sequence[str | GroupFact]) -> dict[str, Any]:
    health = workload.health
    return present(
        {
            "name": workload.name,
            "image": workload.image,
            "command": [literal(word) for word in workload.entrypoint],
            "args": [
                *map(literal, workload.args),
                *(_GROUP[word] if isinstance(word, GroupFact) else literal(word) for word in args),
            ],
            "workingDir": str(workload.working_dir) if workload.working_dir else None,
            "env": environment(
                cuda_order(workload.gpus) | shown(workload, cluster) | dict(workload.env), cluster
            ),
            "ports": [
                {"name": port_name(port.name), "containerPort": port.number} for port in workload.ports
            ],
            "resources": _resources(workload, cluster),
            **(_probes(health) if health else {}),
            "securityContext": closed(capabilities(workload), read_only=workload.read_only_root),
            "volumeMounts": list(_mounts(workload)),
        }
    )


def capabilities(workload: Workload) -> tuple[str, ...]:
    """Those that are left to it."""
    return tuple(sorted({*workload.capabilities, *(("IPC_LOCK",) if workload.lock_memory else ())}))


def closed(capabilities: Sequence[str], *, read_only: bool) -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": read_only,
        "capabilities": {"drop": ["ALL"], **({"add": list(capabilities)} if capabilities else {})},
    }


def environment(env: Mapping[str, EnvValue], cluster: Cluster) -> list[dict[str, Any]]:
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": value.name, "key": value.key}}}
        if isinstance(value, SecretKey)
        else {"name": name, "value": literal(resolve(value, cluster.url))}
        for name, value in env.items()
    ]


def _resources(workload: Workload, cluster: Cluster) -> dict[str, Any]:
    limits = _amounts(workload.cpu_limit, workload.memory_limit)
    claims = gpu_claims(workload, cluster)
    # Names of single cards are unknown to device plugins: they hand out any of them.
    counted = Counter(gpu_resource(gpu) for gpu in held(workload) if not (claims and gpu.vendor == "nvidia"))
    limits |= {resource: str(count) for resource, count in sorted(counted.items()) if resource}
    # What has a limit alone requests the same, as the API server would fill it in.
    requests = limits | _amounts(workload.cpu_request, workload.memory_request)
    return present({"requests": requests, "limits": limits, "claims": [{"name": name} for name in claims]})


def _amounts(cpu: int | None, memory: int | None) -> dict[str, str]:
    return {
        **({} if cpu is None else {"cpu": cpus(cpu)}),
        **({} if memory is None else {"memory": quantity(memory)}),
    }


def _probes(health: Health) -> dict[str, Any]:
    ask = {"httpGet": {"path": health.path, "port": health.port}, "timeoutSeconds": health.timeout}
    patience = max(health.start_period, _SLOWEST_START)
    return {
        "startupProbe": ask | {"periodSeconds": 10, "failureThreshold": -(-patience // 10)},
        "readinessProbe": ask | {"periodSeconds": health.interval, "failureThreshold": 3},
        "livenessProbe": ask | {"periodSeconds": health.interval, "failureThreshold": 6},
    }


def scratch(workload: Workload) -> list[PurePosixPath]:
    folders = {*workload.writable, *((TMP,) if workload.read_only_root else ())}
    return sorted(folders - {mount.target for mount in workload.mounts})


def _mounts(workload: Workload) -> Iterator[dict[str, Any]]:
    for mount in workload.mounts:
        read_only = {"readOnly": True} if mount.read_only else {}
        yield {"name": volume_name(mount.volume), "mountPath": str(mount.target), **read_only}
    yield from config_mounts(workload)
    for folder in scratch(workload):
        yield {"name": scratch_name(folder), "mountPath": str(folder)}
    if workload.shm_size is not None:
        yield {"name": "shm", "mountPath": "/dev/shm"}  # noqa: S108


def scratch_name(folder: PurePosixPath) -> str:
    plain = "-".join(part for part in str(folder).lower().split("/") if part.isascii() and part.isalnum())
    return fitted(f"scratch-{plain}-{digest(str(folder), 4)}")
