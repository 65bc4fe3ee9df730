"""What keeps the pods of a service running, or runs a download to its end."""

from typing import Any, Final

from stackgen.domain.target_defaults import present
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes.cluster import Cluster, Job
from stackgen.targets.kubernetes.container import held
from stackgen.targets.kubernetes.pod import job_template, template
from stackgen.targets.kubernetes.text import hashed

LEADER: Final = {"leaderworkerset.sigs.k8s.io/worker-index": "0"}
"""The label of the pod that answers for its group."""
_A_DAY: Final = 86400


def controller(workload: Workload, cluster: Cluster) -> dict[str, Any]:
    """A Deployment, or a LeaderWorkerSet for a program that spreads over several hosts."""
    return _group(workload, cluster) if workload.workers else _deployment(workload, cluster)


def _deployment(workload: Workload, cluster: Cluster) -> dict[str, Any]:
    waits = any(True for _ in cluster.downloads_before(workload))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": cluster.meta(workload.name, cluster.labels(workload), annotations=_turns(workload)),
        "spec": present(
            {
                "replicas": cluster.replicas(workload),
                "revisionHistoryLimit": 3,
                # A download may take hours, which is no reason to call the service broken.
                "progressDeadlineSeconds": _A_DAY if waits else _patience(workload),
                "selector": {"matchLabels": cluster.selector(workload.name)},
                "strategy": {"type": "Recreate"} if _alone(workload) else None,
                "template": template(workload, cluster, cluster.hosts_of(workload)),
            }
        ),
    }


def _turns(workload: Workload) -> dict[str, str]:
    """The groups of which one at a time may be up; how to change over stands in kustomization.yaml."""
    return {"stackgen/exclusive": " ".join(workload.exclusive)} if workload.exclusive else {}


def _alone(workload: Workload) -> bool:
    """Whether the next pod must wait until the last one is gone: it holds a card, or writes to its volumes."""
    return bool(held(workload)) or any(not mount.read_only for mount in workload.mounts)


def _patience(workload: Workload) -> int | None:
    return None if workload.health is None else max(600, 2 * workload.health.start_period)


def _group(workload: Workload, cluster: Cluster) -> dict[str, Any]:
    workers = workload.workers
    if workers is None:
        raise AssertionError(workload.name)
    leader, *others = cluster.hosts_of(workload)
    led = template(workload, cluster, [leader], workers.leader_args)
    member = template(workload, cluster, others, workers.worker_args)
    # Only the leader answers; who has ports or probes of its own would be asked in vain.
    for key in ("startupProbe", "readinessProbe", "livenessProbe", "ports"):
        member["spec"]["containers"][0].pop(key, None)
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": cluster.meta(workload.name, cluster.labels(workload), annotations=_turns(workload)),
        "spec": {
            "replicas": cluster.replicas(workload),
            "leaderWorkerTemplate": {
                "size": 1 + len(others),
                # A group that lost one of its members cannot go on.
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": led,
                "workerTemplate": member,
            },
        },
    }


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
