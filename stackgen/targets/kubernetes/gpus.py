"""Cards that pods share by time, and who goes first on their nodes."""

from collections.abc import Iterator
from typing import Any

from stackgen.domain.linked import LinkedHost
from stackgen.emit import yaml
from stackgen.targets.kubernetes.cards import NVIDIA
from stackgen.targets.kubernetes.cluster import Cluster, node_name
from stackgen.targets.kubernetes.pod import priority_class
from stackgen.targets.kubernetes.text import fitted


def sharing(cluster: Cluster) -> dict[str, Any] | None:
    """The configuration of NVIDIA's device plugin, an entry for each node whose cards are shared."""
    shared = {name: host for name, host in cluster.hosts.items() if host.sharing is not None}
    if not shared or cluster.installed.gpus != "device-plugin":
        return None
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": cluster.meta(sharing_map(cluster), namespace=cluster.installed.gpu_namespace),
        "data": {node_name(host): yaml.dump(_plugin(host)) for host in shared.values()},
    }


def sharing_map(cluster: Cluster) -> str:
    """The name that the values of the device plugin must have."""
    return fitted(f"{cluster.deployment.name}-device-plugin")


def how_to_share(cluster: Cluster) -> Iterator[str]:
    """What the device plugin and the nodes must be told, as a comment."""
    yield f"Values of the GPU operator: devicePlugin.config.name={sharing_map(cluster)}; of the device plugin's own"
    yield f"chart: config.name={sharing_map(cluster)}. And which entry is for which node:"
    for host in cluster.hosts.values():
        if host.sharing is not None:
            yield f"  kubectl label node {node_name(host)} nvidia.com/device-plugin.config={node_name(host)}"


def _plugin(host: LinkedHost) -> dict[str, Any]:
    if host.sharing is None:
        raise AssertionError(host.name)
    shared = {
        "renameByDefault": False,
        # Two shares may be of the same card, and more of them are no more of it.
        "failRequestsGreaterThanOne": True,
        "resources": [{"name": NVIDIA, "replicas": host.sharing.replicas}],
    }
    if host.sharing.mode == "mps":
        return {
            "version": "v1",
            "sharing": {"mps": {k: v for k, v in shared.items() if k != "failRequestsGreaterThanOne"}},
        }
    return {"version": "v1", "sharing": {"timeSlicing": shared}}


def priority(cluster: Cluster) -> dict[str, Any]:
    """Pods with a card go first on their nodes."""
    meta = cluster.meta(priority_class(cluster))
    del meta["namespace"]
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": meta,
        "value": 100000,
        "description": "programs that hold a card of their node",
    }
