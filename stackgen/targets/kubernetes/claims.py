"""Cards that pods claim by name, which dynamic resource allocation finds for them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from stackgen.domain.linked import LinkedGpu, LinkedHost
from stackgen.domain.target_defaults import of_vendor, present
from stackgen.domain.units import MIB
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes.cards import held
from stackgen.targets.kubernetes.cluster import Cluster
from stackgen.targets.kubernetes.text import fitted, hashed, quantity

_ATTRIBUTES: Final = "device.attributes['gpu.nvidia.com']"


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
        words = _words(cluster.hosts[host], index)
        selectors = [{"cel": {"expression": one}} for one in words]
        exactly = present({"deviceClassName": "gpu.nvidia.com", "selectors": selectors})
        yield {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "metadata": cluster.meta(_name(cluster.hosts[host], index)),
            "spec": {"devices": {"requests": [{"name": "card", "exactly": exactly}]}},
        }


def gpu_claims(workload: Workload, cluster: Cluster) -> list[str]:
    """The claims for the cards that the stack names; none where the device plugin hands out any of them."""
    if cluster.installed.gpus == "device-plugin":
        return []
    host = cluster.places[workload.name].host
    return [_name(host, gpu.index) for gpu in of_vendor(held(workload), "nvidia")]


def _name(host: LinkedHost, index: int) -> str:
    """The name of the claim for one card, which changes with what it asks for: nobody can change that in place."""
    return hashed(f"{fitted(host.name, 40)}-gpu-{index}", _words(host, index))


def _words(host: LinkedHost, index: int) -> list[str]:
    cards = of_vendor(host.gpus, "nvidia")
    return selecting(next(gpu for gpu in cards if gpu.index == index), cards)


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
        if card.uuid is None and _kind(other) != _kind(card) and _unlike(card, other) is None
    ]


def _kind(gpu: LinkedGpu) -> tuple[str, int, int]:
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
