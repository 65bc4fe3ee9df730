"""KServe's LLMInferenceService for a program on several nodes, of which it makes a LeaderWorkerSet.

Read at KServe v0.17.0 to v0.20.0: pkg/controller/v1alpha2/llmisvc.
"""

from collections.abc import Iterator
from typing import Any, Final

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.target_defaults import present
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes.cluster import Cluster, turns
from stackgen.targets.kubernetes.pod import group
from stackgen.targets.kubernetes.text import verbatim

_API: Final = "serving.kserve.io/v1alpha2"
_PRESET: Final = "kserve-config-llm-worker-pipeline-parallel"
"""What KServe puts below a service with stages, first from the namespace of the service; it ships none."""
_LONGEST: Final = 40
"""Characters of a name to which KServe adds `-kserve-mn`, and LeaderWorkerSet those of its StatefulSets."""


def preset(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """An empty one of the name that KServe insists on, so that pods are what the plan counted with."""
    if any(cluster.by_kserve(workload) for workload in cluster.workloads):
        meta = cluster.meta(_PRESET)
        yield {"apiVersion": _API, "kind": "LLMInferenceServiceConfig", "metadata": meta, "spec": {}}


def service(workload: Workload, cluster: Cluster) -> dict[str, Any]:
    """Pods as a LeaderWorkerSet would have them; routes and addresses stay the stack's own, hence no `router`."""
    if (workers := workload.workers) is None:
        raise AssertionError(workload.name)
    led, member = (_pod(template["spec"]) for template in group(workload, cluster))
    interface = cluster.deployment.interfaces.get(workload.name)
    spec = {
        "model": present(
            {
                "uri": _uri(workload, cluster) or "",
                "name": interface.models[0].id if interface and interface.models else None,
            }
        ),
        # The volume is mounted where the program looks for it, as everywhere else.
        "storageInitializer": {"enabled": False},
        "replicas": cluster.replicas(workload),
        "parallelism": {"tensor": workers.tensor, "pipeline": workers.pipeline},
        "template": led,
        "worker": member,
    }
    return {
        "apiVersion": _API,
        "kind": "LLMInferenceService",
        "metadata": cluster.meta(workload.name, cluster.labels(workload), annotations=turns(workload)),
        # KServe reads the whole object as a template of Go before it uses it.
        "spec": verbatim(spec),
    }


def findings(workload: Workload, cluster: Cluster) -> Iterator[Diagnostic]:
    """What KServe would refuse, or make something else of."""
    workers = workload.workers
    if workers is None or not cluster.by_kserve(workload):
        return
    hosts = len(cluster.hosts_of(workload))
    if workers.pipeline != hosts:
        yield error(
            "kubernetes/kserve-stages",
            (*workload.path, "workers"),
            f"KServe makes a pod for each pipeline stage: `{workload.name}` has {workers.pipeline} of them "
            f"on {hosts} hosts",
            f"pipeline_parallel_size: {hosts}; or deploy: {{cluster: {{multi_node: leader-worker-set}}}}",
        )
    if _uri(workload, cluster) is None:
        yield error(
            "kubernetes/kserve-weights",
            (*workload.path, "volumes"),
            f"KServe must be told where the weights of `{workload.name}` are, and they are on no volume",
            "volumes: {models: NAME}",
        )
    if len(workload.name) > _LONGEST:
        yield error(
            "kubernetes/name",
            workload.path,
            f"KServe makes longer names of `{workload.name}`, and they would have too many characters",
            f"at most {_LONGEST} characters",
        )


def _pod(spec: dict[str, Any]) -> dict[str, Any]:
    """KServe calls the container that serves `main`."""
    (container,) = spec["containers"]
    return spec | {"containers": [container | {"name": "main"}]}


def _uri(workload: Workload, cluster: Cluster) -> str | None:
    weights = workload.workers.weights if workload.workers else None
    for mount in workload.mounts:
        if weights is not None and weights.is_relative_to(mount.target):
            claim = cluster.claim(mount.volume, cluster.places[workload.name].host)
            return f"pvc://{claim}/{weights.relative_to(mount.target)}"
    return None
