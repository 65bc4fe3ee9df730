"""Workload -> the template of its pods, closed by default."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain.downloads import IMAGE, marker_of
from stackgen.domain.linked import LinkedHost, SecretKey
from stackgen.domain.reach import resolve
from stackgen.domain.target_defaults import cuda_order, of_vendor, present
from stackgen.domain.workload import EnvValue, GroupFact, Health, Workload
from stackgen.emit import shell
from stackgen.targets.kubernetes.cluster import Cluster, Job, node_name
from stackgen.targets.kubernetes.text import digest, fitted, literal, port_name, quantity

GPU_RESOURCE: Final[Mapping[str, str]] = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
"""What the device plugins of the vendors call a card."""
CONFIG: Final = "config"
_GROUP: Final = {
    GroupFact.LEADER: "$(LWS_LEADER_ADDRESS)",
    GroupFact.SIZE: "$(LWS_GROUP_SIZE)",
    GroupFact.RANK: "$(LWS_WORKER_INDEX)",
}
_SLOWEST_START: Final = 300
"""Seconds that a program gets at least: images are unpacked, disks are slow."""
_TMP: Final = PurePosixPath("/tmp")  # noqa: S108  in the container


def template(
    workload: Workload, cluster: Cluster, hosts: Sequence[LinkedHost], args: Sequence[str | GroupFact] = ()
) -> dict[str, Any]:
    """The template of pods that run on one of these hosts, with further arguments."""
    selector = cluster.selector(workload.name)
    return {
        "metadata": {"labels": cluster.labels(workload) | selector},
        "spec": present(
            {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "runtimeClassName": cluster.installed.runtime_class
                if of_vendor(workload.gpus, "nvidia")
                else None,
                "priorityClassName": priority_class(cluster) if workload.gpus else None,
                **_where(hosts, selector),
                "tolerations": [
                    {"key": GPU_RESOURCE[vendor], "operator": "Exists", "effect": "NoSchedule"}
                    for vendor in sorted({gpu.vendor for gpu in workload.gpus} & GPU_RESOURCE.keys())
                ],
                "terminationGracePeriodSeconds": workload.stop_grace,
                "securityContext": _identity(workload),
                "initContainers": list(_waiting(workload, cluster)),
                "containers": [_container(workload, cluster, args)],
                "resourceClaims": [
                    {"name": name, "resourceClaimName": name} for name in gpu_claims(workload, cluster)
                ],
                "volumes": list(_volumes(workload, cluster, hosts[0].name)),
            }
        ),
    }


def job_template(job: Job, cluster: Cluster) -> dict[str, Any]:
    """The template of a download: as root, for a folder of a node may belong to anybody."""
    workload = job.workload
    hosts = [cluster.hosts[name] for name in job.hosts]
    shared = not cluster.deployment.volumes[job.volume].managed and len(hosts) > 1
    container = present(
        {
            "name": "download",
            "image": workload.image,
            "command": [workload.program, *workload.args],
            "env": _environment(workload.env, cluster),
            "securityContext": _closed(("DAC_OVERRIDE",), read_only=True),
            "volumeMounts": [
                *(
                    {"name": CONFIG, "mountPath": str(f.target), "subPath": f.name, "readOnly": True}
                    for f in workload.config_files
                ),
                *({"name": volume_name(m.volume), "mountPath": str(m.target)} for m in workload.mounts),
                {"name": "tmp", "mountPath": str(_TMP)},
            ],
        }
    )
    return {
        "metadata": {"labels": cluster.labels(workload) | cluster.selector(workload.name)},
        "spec": present(
            {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "restartPolicy": "OnFailure",
                **({} if shared else {"nodeSelector": {"kubernetes.io/hostname": node_name(hosts[0])}}),
                "securityContext": {
                    "runAsUser": 0,
                    "runAsGroup": 0,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [container],
                "volumes": [
                    {"name": CONFIG, "configMap": {"name": config_map(workload)}},
                    *_claims(workload, cluster, hosts[0].name),
                    {"name": "tmp", "emptyDir": {}},
                ],
            }
        ),
    }


def config_map(workload: Workload) -> str:
    """The name by which kustomize knows it; it adds a hash, so that a change restarts the pods."""
    return f"{workload.name}-config"


def priority_class(cluster: Cluster) -> str:
    """Of pods with a card, whose place on a node nothing else may take."""
    return f"{cluster.namespace}-gpu"


def gpu_claims(workload: Workload, cluster: Cluster) -> list[str]:
    """The claims for the cards that the stack names; none where the device plugin hands out any of them."""
    if cluster.installed.gpus == "device-plugin":
        return []
    host = cluster.places[workload.name].host.name
    return [gpu_claim(host, gpu.index) for gpu in of_vendor(workload.gpus, "nvidia")]


def gpu_claim(host: str, index: int) -> str:
    """The name of the claim for one card."""
    return f"{fitted(host, 50)}-gpu-{index}"


def _where(hosts: Sequence[LinkedHost], selector: Mapping[str, str]) -> dict[str, Any]:
    if len(hosts) == 1:
        return {"nodeSelector": {"kubernetes.io/hostname": node_name(hosts[0])}}
    names = {"key": "kubernetes.io/hostname", "operator": "In", "values": sorted(map(node_name, hosts))}
    apart = {"labelSelector": {"matchLabels": dict(selector)}, "topologyKey": "kubernetes.io/hostname"}
    return {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [names]}]
                }
            },
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]},
        }
    }


def _identity(workload: Workload) -> dict[str, Any]:
    user, _, group = (workload.user or "").partition(":")
    own = {"runAsUser": int(user), "runAsNonRoot": user != "0"} if user else {}
    shared = (
        {"runAsGroup": int(group), "fsGroup": int(group), "fsGroupChangePolicy": "OnRootMismatch"}
        if group
        else {}
    )
    return own | shared | {"seccompProfile": {"type": "RuntimeDefault"}}


def _container(workload: Workload, cluster: Cluster, args: Sequence[str | GroupFact]) -> dict[str, Any]:
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
            "env": _environment(cuda_order(workload.gpus) | dict(workload.env), cluster),
            "ports": [
                {"name": port_name(port.name), "containerPort": port.number} for port in workload.ports
            ],
            "resources": _resources(workload, cluster),
            **(_probes(health) if health else {}),
            "securityContext": _closed(capabilities(workload), read_only=workload.read_only_root),
            "volumeMounts": list(_mounts(workload)),
        }
    )


def capabilities(workload: Workload) -> tuple[str, ...]:
    """Those that are left to it."""
    return tuple(sorted({*workload.capabilities, *(("IPC_LOCK",) if workload.lock_memory else ())}))


def _closed(capabilities: Sequence[str], *, read_only: bool) -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": read_only,
        "capabilities": {"drop": ["ALL"], **({"add": list(capabilities)} if capabilities else {})},
    }


def _environment(env: Mapping[str, EnvValue], cluster: Cluster) -> list[dict[str, Any]]:
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": value.name, "key": value.key}}}
        if isinstance(value, SecretKey)
        else {"name": name, "value": literal(resolve(value, cluster.url))}
        for name, value in env.items()
    ]


def _resources(workload: Workload, cluster: Cluster) -> dict[str, Any]:
    limits: dict[str, str] = {}
    if workload.memory_limit is not None:
        limits["memory"] = quantity(workload.memory_limit)
    claims = gpu_claims(workload, cluster)
    for vendor, resource in GPU_RESOURCE.items():
        # Names of single cards are unknown to device plugins: they hand out any of them.
        if (count := len(of_vendor(workload.gpus, vendor))) and not (claims and vendor == "nvidia"):
            limits[resource] = str(count)
    return present(
        {"requests": dict(limits), "limits": limits, "claims": [{"name": name} for name in claims]}
    )


def _probes(health: Health) -> dict[str, Any]:
    ask = {"httpGet": {"path": health.path, "port": health.port}, "timeoutSeconds": health.timeout}
    patience = max(health.start_period, _SLOWEST_START)
    return {
        "startupProbe": ask | {"periodSeconds": 10, "failureThreshold": -(-patience // 10)},
        "readinessProbe": ask | {"periodSeconds": health.interval, "failureThreshold": 3},
        "livenessProbe": ask | {"periodSeconds": health.interval, "failureThreshold": 6},
    }


def _scratch(workload: Workload) -> list[PurePosixPath]:
    folders = {*workload.writable, *((_TMP,) if workload.read_only_root else ())}
    return sorted(folders - {mount.target for mount in workload.mounts})


def _mounts(workload: Workload) -> Iterator[dict[str, Any]]:
    for mount in workload.mounts:
        read_only = {"readOnly": True} if mount.read_only else {}
        yield {"name": volume_name(mount.volume), "mountPath": str(mount.target), **read_only}
    for file in workload.config_files:
        # A mount of one file never changes in a running pod; the hash in the name restarts it instead.
        yield {"name": CONFIG, "mountPath": str(file.target), "subPath": file.name, "readOnly": True}
    for folder in _scratch(workload):
        yield {"name": _scratch_name(folder), "mountPath": str(folder)}
    if workload.shm_size is not None:
        yield {"name": "shm", "mountPath": "/dev/shm"}  # noqa: S108


def _volumes(workload: Workload, cluster: Cluster, host: str) -> Iterator[dict[str, Any]]:
    yield from _claims(workload, cluster, host)
    if workload.config_files:
        yield {"name": CONFIG, "configMap": {"name": config_map(workload)}}
    yield from ({"name": _scratch_name(folder), "emptyDir": {}} for folder in _scratch(workload))
    if workload.shm_size is not None:
        yield {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": quantity(workload.shm_size)}}


def _claims(workload: Workload, cluster: Cluster, host: str) -> Iterator[dict[str, Any]]:
    for volume in sorted({mount.volume for mount in workload.mounts}):
        claim = {"claimName": cluster.claim(volume, host)}
        yield {"name": volume_name(volume), "persistentVolumeClaim": claim}


def volume_name(volume: str) -> str:
    """The name of a volume inside a pod, which no other kind of mount has."""
    return fitted(f"volume-{volume}")


def _scratch_name(folder: PurePosixPath) -> str:
    plain = "-".join(part for part in str(folder).lower().split("/") if part.isascii() and part.isalnum())
    return fitted(f"scratch-{plain}-{digest(str(folder), 4)}")


def _waiting(workload: Workload, cluster: Cluster) -> Iterator[dict[str, Any]]:
    """What must hold before it starts: weights are there, and services that it needs answer."""
    mounted = {mount.volume: mount for mount in workload.mounts}
    for job in cluster.downloads_before(workload):
        marker = f"/volume/{marker_of(job.workload)}"
        mount = {
            "name": volume_name(job.volume),
            "mountPath": "/volume",
            "readOnly": mounted[job.volume].read_only,
        }
        yield _wait(
            f"wait-for-{job.workload.name}", f"until [ -e {shell.quote(marker)} ]; do sleep 5; done", [mount]
        )
    questions = [question for name in sorted(workload.after) if (question := _question(name, cluster))]
    if questions:
        yield _wait("wait-for-services", "\n".join(questions), [])


def _question(name: str, cluster: Cluster) -> str | None:
    found = cluster.local(name)
    # Whose turn it is not would keep others waiting.
    if found is None or found.exclusive or not found.ports:
        return None
    health = found.health
    port, path = (health.port, health.path) if health else (found.ports[0].number, "/")
    how = "-fsS" if health else "-sS"
    url = shell.quote(f"http://{name}:{port}{path}")
    return f"until curl {how} -m 5 -o /dev/null {url}; do sleep 5; done"


def _wait(name: str, script: str, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    return present(
        {
            "name": fitted(name),
            "image": IMAGE,
            "command": ["sh", "-c", literal(script)],
            "securityContext": _closed((), read_only=True),
            "volumeMounts": mounts,
        }
    )
