"""What a stack asks of a cluster's cards, and the cluster cannot give."""

from collections.abc import Iterator, Sequence

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedGpu, LinkedHost
from stackgen.domain.target_defaults import of_vendor
from stackgen.domain.wording import one_of
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes.cards import gpu_resource, held
from stackgen.targets.kubernetes.claims import untold
from stackgen.targets.kubernetes.cluster import Cluster


def cards(workload: Workload, cluster: Cluster) -> Iterator[Diagnostic]:
    """Cards that its pods cannot be given."""
    path = (*workload.path, "gpus")
    host = cluster.places[workload.name].host
    for gpu in held(workload):
        if not gpu_resource(gpu):
            yield _unnamed(workload, host, gpu)
            break
    if others := sorted({gpu.vendor for gpu in workload.gpus} - {"nvidia"}) if workload.watches else []:
        yield error(
            "kubernetes/watching",
            path,
            f"no way is known to let `{workload.name}` look at {one_of(others, 'and')} cards without taking one",
            "NVIDIA's runtime shows cards to who takes none; or run it on the node, outside of the cluster",
        )
    mine = of_vendor(held(workload), "nvidia")
    if mine and cluster.installed.gpus == "claims":
        yield from _claims(workload, mine, host, cluster)
    elif len(mine) > 1 and host.sharing is not None:
        yield error(
            "kubernetes/shares-are-not-cards",
            path,
            f"`{workload.name}` wants {len(mine)} cards of {host.name}, whose cards are shared: it might get one twice",
            "share no card of this host, or let the service have one card",
        )


def _unnamed(workload: Workload, host: LinkedHost, gpu: LinkedGpu) -> Diagnostic:
    """A card of which nobody knows what a device plugin calls it."""
    if gpu.vendor == "intel":
        return error(
            "kubernetes/intel-driver",
            ("hosts", host.name, "gpus", gpu.index),
            f"Intel's device plugin calls cards by their driver, and nothing says which one GPU {gpu.index} has",
            "driver: xe (Arc B-series and newer) or driver: i915, as lspci -k prints it",
        )
    message = f"no way is known to give {gpu.vendor} GPUs to `{workload.name}`"
    return error("render/gpu-vendor", (*workload.path, "gpus"), message)


def _claims(
    workload: Workload, mine: Sequence[LinkedGpu], host: LinkedHost, cluster: Cluster
) -> Iterator[Diagnostic]:
    if int(cluster.installed.version.partition(".")[2]) < 34:
        yield error(
            "kubernetes/no-claims",
            ("deploy", "cluster", "gpus"),
            f"Kubernetes {cluster.installed.version} has no device claims of version v1",
            "1.34 has; or gpus: device-plugin",
        )
    if workload.workers:
        yield error(
            "kubernetes/claims-of-workers",
            (*workload.path, "workers"),
            f"a claim is of one node, and `{workload.name}` runs on {1 + len(workload.workers.hosts)}",
            "deploy: {cluster: {gpus: device-plugin}}",
        )
    cards = of_vendor(host.gpus, "nvidia")
    for gpu in mine:
        if others := untold(gpu, cards):
            yield warning(
                "kubernetes/any-card",
                ("hosts", host.name, "gpus", gpu.index),
                f"nothing that a driver tells sets GPU {gpu.index} of {host.name} apart from GPU {others[0].index}, "
                "which is not like it",
                "give each card its `uuid`, as nvidia-smi -L prints it",
            )


def sharing(cluster: Cluster) -> Iterator[Diagnostic]:
    """Hosts whose cards are to be shared, and nothing shares them."""
    for host in cluster.hosts.values():
        if host.sharing is None:
            continue
        path = ("hosts", host.name, "gpu_sharing")
        if not of_vendor(host.gpus, "nvidia"):
            yield error(
                "kubernetes/nothing-to-share",
                path,
                f"it is a configuration of NVIDIA's device plugin, and {host.name} has no card of NVIDIA",
                "leave it out: Intel's plugin shares by its own flag -shared-dev-num, AMD's not at all",
            )
        elif cluster.installed.gpus == "claims":
            yield warning(
                "kubernetes/nothing-to-share",
                path,
                "a device plugin shares cards by it, and these are claimed by name: nothing is rendered",
                "leave it out: services that name the same card share it",
            )
