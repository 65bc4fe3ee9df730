"""The namespace of a stack, and how closed its pods are."""

from typing import Any, Final

from stackgen.targets.kubernetes.cluster import Cluster
from stackgen.targets.kubernetes.container import capabilities

_BASELINE: Final = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
"""Capabilities that the level `baseline` of the pod security standards allows."""


def namespace(cluster: Cluster) -> dict[str, Any]:
    """The namespace, with the strictest level of the pod security standards at which all pods are let in."""
    meta = cluster.meta(cluster.namespace, annotations=cluster.stays)
    del meta["namespace"]
    meta["labels"]["pod-security.kubernetes.io/enforce"] = _level(cluster)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def _level(cluster: Cluster) -> str:
    kept = {capability for workload in cluster.workloads for capability in capabilities(workload)}
    # Downloads are root's.
    roots = cluster.downloads or any((w.user or "0").partition(":")[0] == "0" for w in cluster.workloads)
    if not roots and kept <= {"NET_BIND_SERVICE"}:
        return "restricted"
    return "baseline" if kept <= _BASELINE else "privileged"
