"""What keeps the pods of a service running, or runs a download to its end."""

from typing import Any, Final

from stackgen.domain.target_defaults import present
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes import kserve
from stackgen.targets.kubernetes.cluster import Cluster, Job, turns
from stackgen.targets.kubernetes.config import alone
from stackgen.targets.kubernetes.pod import group, job_template, template
from stackgen.targets.kubernetes.text import fitted, hashed

_ROLLING: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
"""Said in full, so that who applies it owns it: what the API server fills in, nobody takes away for `Recreate`."""
LEADER: Final = {"leaderworkerset.sigs.k8s.io/worker-index": "0"}
"""The label of the pod that answers for its group."""
_A_DAY: Final = 86400
_LONGEST: Final = 50
"""Characters of the name of a LeaderWorkerSet, after which those of its StatefulSets come."""


def controller(workload: Workload, cluster: Cluster) -> dict[str, Any]:
    """A Deployment, or what the cluster has for a program that spreads over several hosts."""
    if workload.workers is None:
        return _deployment(workload, cluster)
    return kserve.service(workload, cluster) if cluster.by_kserve(workload) else _group(workload, cluster)


def _deployment(workload: Workload, cluster: Cluster) -> dict[str, Any]:
    waits = any(True for _ in cluster.downloads_before(workload))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": cluster.meta(workload.name, cluster.labels(workload), annotations=turns(workload)),
        "spec": present(
            {
                "replicas": cluster.replicas(workload),
                "revisionHistoryLimit": 3,
                # A download may take hours, which is no reason to call the service broken.
                "progressDeadlineSeconds": _A_DAY if waits else _patience(workload),
                "selector": {"matchLabels": cluster.selector(workload.name)},
                "strategy": {"type": "Recreate"} if alone(workload) else _ROLLING,
                "template": template(workload, cluster, cluster.hosts_of(workload)),
            }
        ),
    }


def _patience(workload: Workload) -> int | None:
    return None if workload.health is None else max(600, 2 * workload.health.start_period)


def _group(workload: Workload, cluster: Cluster) -> dict[str, Any]:
    led, member = group(workload, cluster)
    # Its own name goes to a Service by which its pods find each other, and must not be that of ours.
    name = fitted(f"{workload.name}-group", _LONGEST)
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": cluster.meta(name, cluster.labels(workload), annotations=turns(workload)),
        "spec": {
            "replicas": cluster.replicas(workload),
            "leaderWorkerTemplate": {
                "size": len(cluster.hosts_of(workload)),
                # A group that lost one of its members cannot go on.
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": led,
                "workerTemplate": member,
            },
        },
    }


def scaled(workload: Workload, cluster: Cluster, replicas: int) -> str:
    """The command that starts or stops a service by hand."""
    made = controller(workload, cluster)
    kind, name = made["kind"].lower(), made["metadata"]["name"]
    if cluster.by_kserve(workload):
        change = f'{{"spec":{{"replicas":{replicas}}}}}'
        return f"kubectl -n {cluster.namespace} patch {kind} {name} --type=merge -p '{change}'"
    return f"kubectl -n {cluster.namespace} scale {kind} {name} --replicas={replicas}"


def download(job: Job, cluster: Cluster) -> dict[str, Any]:
    """A Job whose name changes with what it does, for the API lets nobody change a Job."""
    pods = job_template(job, cluster)
    files = [(file.name, file.body) for file in job.workload.config_files]
    gitops = cluster.deployment.deploy.gitops
    hook = {"argocd.argoproj.io/hook": "Sync", "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation"}
    force = {"kustomize.toolkit.fluxcd.io/force": "enabled"}
    annotations = {"argocd": hook, "flux": force, "none": {}}[gitops]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": cluster.meta(
            hashed(job.workload.name, (pods, files)), cluster.labels(job.workload), annotations=annotations
        ),
        "spec": {"backoffLimit": 10, "template": pods},
    }
