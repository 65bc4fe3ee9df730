"""What pods ask for to get cards, and which of them they are shown."""

from collections.abc import Mapping
from typing import Final

from stackgen.domain.linked import LinkedGpu
from stackgen.domain.target_defaults import gpu_ids, of_vendor
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes.cluster import Cluster

NVIDIA: Final = "nvidia.com/gpu"
AMD: Final = "amd.com/gpu"
_GPU_RESOURCE: Final[Mapping[tuple[str, str | None], str]] = {
    ("nvidia", None): NVIDIA,
    ("amd", None): AMD,
    ("intel", "i915"): "gpu.intel.com/i915",
    ("intel", "xe"): "gpu.intel.com/xe",
}
"""What the device plugins of the vendors call a card, by vendor and driver."""


def held(workload: Workload) -> tuple[LinkedGpu, ...]:
    """The cards that it keeps from others."""
    return () if workload.watches else workload.gpus


def gpu_resource(gpu: LinkedGpu) -> str:
    """What a device plugin calls such a card; nothing if none is known."""
    return _GPU_RESOURCE.get((gpu.vendor, gpu.driver), "")


def shown(workload: Workload, cluster: Cluster) -> dict[str, str]:
    """What tells NVIDIA's runtime which cards to show to who asks the cluster for none."""
    cards = of_vendor(workload.gpus, "nvidia")
    if not workload.watches or not cards:
        return {}
    everything = len(cards) == len(of_vendor(cluster.places[workload.name].host.gpus, "nvidia"))
    return {"NVIDIA_VISIBLE_DEVICES": "all" if everything else ",".join(gpu_ids(cards, "nvidia"))}
