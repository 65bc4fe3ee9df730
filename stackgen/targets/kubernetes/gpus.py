"""Cards that pods share by time, and cards that pods claim by name."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from stackgen.domain.linked import LinkedGpu, LinkedHost
from stackgen.domain.target_defaults import of_vendor, present
from stackgen.domain.units import MIB
from stackgen.emit import yaml
from stackgen.targets.kubernetes.cards import gpu_claim, held
from stackgen.targets.kubernetes.cluster import Cluster, node_name
from stackgen.targets.kubernetes.pod import priority_class
from stackgen.targets.kubernetes.text import fitted, quantity

_ATTRIBUTES: Final = "device.attributes['gpu.nvidia.com']"


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
        "resources": [{"name": "nvidia.com/gpu", "replicas": host.sharing.replicas}],
    }
    if host.sharing.mode == "mps":
        return {
            "version": "v1",
            "sharing": {"mps": {k: v for k, v in shared.items() if k != "failRequestsGreaterThanOne"}},
        }
    return {"version": "v1", "sharing": {"timeSlicing": shared}}


def claims(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """A claim for each card of the stack that a service uses; services that name the same card share its claim."""
    if cluster.installed.gpus != "claims":
        return
    used = {
        (cluster.places[w.name].host.name, gpu.index)
        for w in cluster.workloads
        for gpu in of_vendor(held(w), "nvidia")
    }
    for host, index in sorted(used):
        cards = of_vendor(cluster.hosts[host].gpus, "nvidia")
        card = next(gpu for gpu in cards if gpu.index == index)
        selectors = [{"cel": {"expression": words}} for words in selecting(card, cards)]
        exactly = present({"deviceClassName": "gpu.nvidia.com", "selectors": selectors})
        yield {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "metadata": cluster.meta(gpu_claim(host, index)),
            "spec": {"devices": {"requests": [{"name": "card", "exactly": exactly}]}},
        }


def selecting(card: LinkedGpu, cards: Sequence[LinkedGpu]) -> list[str]:
    """What is true of a card as its driver describes it, and of no other of a host that is unlike it.

    Attributes and capacities are those of the DRA driver for NVIDIA GPUs.
    """
    if card.uuid is not None:
        return [f"{_ATTRIBUTES}.uuid == '{card.uuid}'"]
    return sorted({words for other in cards if other is not card and (words := _unlike(card, other))})


def untold(card: LinkedGpu, cards: Sequence[LinkedGpu]) -> list[LinkedGpu]:
    """Cards that are unlike one and that its claim may be given all the same."""
    return [
        other
        for other in cards
        if card.uuid is None and kind(other) != kind(card) and _unlike(card, other) is None
    ]


def kind(gpu: LinkedGpu) -> tuple[str, int, int]:
    """What makes a card as good as another."""
    return (gpu.model, gpu.capacity, gpu.reserve)


def _unlike(card: LinkedGpu, other: LinkedGpu) -> str | None:
    """What is true of a card and not of another one; None if nothing is known."""
    if other.uuid is not None:
        return f"{_ATTRIBUTES}.uuid != '{other.uuid}'"
    if card.compute_capability and other.compute_capability not in (None, card.compute_capability):
        major, minor = card.compute_capability
        return f"{_ATTRIBUTES}.cudaComputeCapability.compareTo(semver('{major}.{minor}.0')) == 0"
    small, large = sorted((card.capacity, other.capacity))
    # What drivers call total is a little more than what programs get, so the border is far from both.
    if large * 4 < small * 5:
        return None
    border = quantity((small + large) // 2 // MIB * MIB)
    side = "isGreaterThan" if card.capacity == large else "isLessThan"
    return f"device.capacity['gpu.nvidia.com'].memory.{side}(quantity('{border}'))"


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
