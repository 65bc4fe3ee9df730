"""Workload -> the template of its pods, closed by default."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stackgen.domain.downloads import IMAGE, marker_of
from stackgen.domain.linked import LinkedHost
from stackgen.domain.target_defaults import of_vendor, present
from stackgen.domain.workload import GroupFact, Workload
from stackgen.emit import shell
from stackgen.targets.kubernetes.cards import gpu_resource, held
from stackgen.targets.kubernetes.claims import gpu_claims
from stackgen.targets.kubernetes.cluster import Cluster, Job, node_name
from stackgen.targets.kubernetes.config import (
    CONFIG,
    WEIGHTS,
    config_map,
    config_mounts,
    fixed,
    reloads,
    volume_name,
)
from stackgen.targets.kubernetes.container import (
    TMP,
    closed,
    container,
    environment,
    scratch,
    scratch_name,
)
from stackgen.targets.kubernetes.text import fitted, literal, quantity
from stackgen.targets.kubernetes.watcher import watcher_volumes, watchers


def template(
    workload: Workload, cluster: Cluster, hosts: Sequence[LinkedHost], args: Sequence[str | GroupFact] = ()
) -> dict[str, Any]:
    """The template of pods that run on one of these hosts, with further arguments."""
    selector = cluster.selector(workload.name)
    return {
        "metadata": present({"labels": cluster.labels(workload) | selector, "annotations": fixed(workload)}),
        "spec": present(
            {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "runtimeClassName": cluster.installed.runtime_class
                if of_vendor(workload.gpus, "nvidia")
                else None,
                "priorityClassName": priority_class(cluster) if held(workload) else None,
                **_where(hosts, selector),
                "tolerations": [
                    {"key": resource, "operator": "Exists", "effect": "NoSchedule"}
                    for resource in sorted(set(map(gpu_resource, workload.gpus)))
                ],
                "terminationGracePeriodSeconds": workload.stop_grace,
                "securityContext": _identity(workload, cluster),
                "initContainers": list(_waiting(workload, cluster)),
                "containers": [container(workload, cluster, args), *watchers(workload, cluster)],
                "resourceClaims": [
                    {"name": name, "resourceClaimName": name} for name in gpu_claims(workload, cluster)
                ],
                "volumes": list(_volumes(workload, cluster, hosts[0])),
            }
        ),
    }


def group(workload: Workload, cluster: Cluster) -> tuple[dict[str, Any], dict[str, Any]]:
    """The templates of the pod that leads a program on several hosts, and of the others."""
    workers = workload.workers
    if workers is None:
        raise AssertionError(workload.name)
    leader, *others = cluster.hosts_of(workload)
    led = template(workload, cluster, [leader], workers.leader_args)
    member = template(workload, cluster, others, workers.worker_args)
    # Only the leader answers; who has ports or probes of its own would be asked in vain.
    for key in ("startupProbe", "readinessProbe", "livenessProbe", "ports"):
        member["spec"]["containers"][0].pop(key, None)
    return led, member


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
            "env": environment(workload.env, cluster),
            "securityContext": closed(("DAC_OVERRIDE",), read_only=True),
            "volumeMounts": [
                *config_mounts(workload),
                *({"name": volume_name(m.volume), "mountPath": str(m.target)} for m in workload.mounts),
                {"name": "tmp", "mountPath": str(TMP)},
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
                    {"name": CONFIG, "configMap": {"name": config_map(workload, cluster)}},
                    *_claims(workload, cluster, hosts[0]),
                    {"name": "tmp", "emptyDir": {}},
                ],
            }
        ),
    }


def priority_class(cluster: Cluster) -> str:
    """Of pods with a card, whose place on a node nothing else may take."""
    return f"{cluster.namespace}-gpu"


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


def _identity(workload: Workload, cluster: Cluster) -> dict[str, Any]:
    user, _, group = (workload.user or "").partition(":")
    own = {"runAsUser": int(user), "runAsNonRoot": int(user) != 0} if user else {}
    shared: dict[str, Any] = {"runAsGroup": int(group)} if group else {}
    # A new volume is root's. On a share, the server may forbid its owner to be changed, and then no pod starts.
    on_shares = any(cluster.deployment.volumes[mount.volume].nfs for mount in workload.mounts)
    if group and workload.mounts and not on_shares:
        shared |= {"fsGroup": int(group), "fsGroupChangePolicy": "OnRootMismatch"}
    return own | shared | {"seccompProfile": {"type": "RuntimeDefault"}}


def _volumes(workload: Workload, cluster: Cluster, host: LinkedHost) -> Iterator[dict[str, Any]]:
    yield from _claims(workload, cluster, host)
    if workload.config_files:
        yield {"name": CONFIG, "configMap": {"name": config_map(workload, cluster)}}
    yield from watcher_volumes(workload)
    yield from ({"name": scratch_name(folder), "emptyDir": {}} for folder in scratch(workload))
    if workload.shm_size is not None:
        yield {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": quantity(workload.shm_size)}}


def _claims(workload: Workload, cluster: Cluster, host: LinkedHost) -> Iterator[dict[str, Any]]:
    for volume in sorted({mount.volume for mount in workload.mounts}):
        claim = {"claimName": cluster.claim(volume, host)}
        yield {"name": volume_name(volume), "persistentVolumeClaim": claim}


def _waiting(workload: Workload, cluster: Cluster) -> Iterator[dict[str, Any]]:
    """What must hold before it starts: weights are there, and services that it needs answer."""
    mounted = {mount.volume: mount for mount in workload.mounts}
    for job in cluster.downloads_before(workload):
        name = volume_name(job.volume)
        mount = {"name": name, "mountPath": "/volume", "readOnly": mounted[job.volume].read_only}
        if reloads(workload):
            # What it waits for is not in the template, so that more weights are no reason to start anew.
            marker = f"\"/volume/$(sed -n 's/^{name} //p' /config/{WEIGHTS})\""
            config = [{"name": CONFIG, "mountPath": "/config", "readOnly": True}]
        else:
            marker, config = shell.quote(f"/volume/{marker_of(job.workload)}"), []
        script = f"until [ -e {marker} ]; do sleep 5; done"
        yield _wait(f"wait-for-{job.workload.name}", script, [mount, *config])
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
            "securityContext": closed((), read_only=True),
            "volumeMounts": mounts,
        }
    )
