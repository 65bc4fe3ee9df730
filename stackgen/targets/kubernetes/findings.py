"""What a stack asks for and Kubernetes cannot give, or what would fail only when it runs."""

from collections.abc import Iterator, Sequence

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedGpu, LinkedHost
from stackgen.domain.target_defaults import after_elsewhere, container_user, of_vendor, unreachable
from stackgen.domain.wording import one_of
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes import charts, kserve, monitoring, storage
from stackgen.targets.kubernetes.cluster import PLATFORM, Cluster, held
from stackgen.targets.kubernetes.container import gpu_resource
from stackgen.targets.kubernetes.gpus import untold
from stackgen.targets.kubernetes.text import KEY, SERVICE


def findings(cluster: Cluster) -> Iterator[Diagnostic]:
    """Everything that is wrong with a cluster's objects."""
    for workload in cluster.workloads:
        yield from _names(workload)
        yield from unreachable(workload, cluster, cluster.address)
        yield from after_elsewhere(workload, cluster)
        yield from _workers(workload, cluster)
        yield from kserve.findings(workload, cluster)
        yield from _gpus(workload, cluster)
        yield from container_user(workload)
        yield from _published(workload)
    yield from _sharing(cluster)
    yield from _volumes(cluster)
    yield from _secrets(cluster)
    yield from _gitops(cluster)
    yield from charts.findings(cluster)
    yield from monitoring.findings(cluster)


def _names(workload: Workload) -> Iterator[Diagnostic]:
    if not workload.image:
        message = f"`{workload.name}` names no image, and pods run nothing else"
        yield error("kubernetes/no-image", workload.path, message, "image: registry/name:version")
    if not SERVICE.fullmatch(workload.name):
        yield error(
            "kubernetes/name",
            workload.path,
            f"`{workload.name}` begins with a digit, which the name of a Service cannot",
            "rename the service",
        )
    for file in workload.config_files:
        if not KEY.fullmatch(file.name):
            yield error("kubernetes/name", workload.path, f"`{file.name}` cannot be a key of a ConfigMap")


def _workers(workload: Workload, cluster: Cluster) -> Iterator[Diagnostic]:
    for host in workload.workers.hosts if workload.workers else ():
        if host.platform != PLATFORM:
            yield error(
                "kubernetes/worker-elsewhere",
                (*workload.path, "workers"),
                f"`{host.name}` is no node of the cluster that `{workload.name}` runs in",
                f"platform: kubernetes for hosts.{host.name}",
            )


def _gpus(workload: Workload, cluster: Cluster) -> Iterator[Diagnostic]:
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


def _sharing(cluster: Cluster) -> Iterator[Diagnostic]:
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


def _published(workload: Workload) -> Iterator[Diagnostic]:
    for port in workload.ports:
        if port.publish is None:
            continue
        path = (*workload.path, "publish")
        if port.publish.loopback:
            yield warning(
                "kubernetes/publish-on-loopback",
                path,
                f"`{workload.name}` is published on {port.publish.address}, which in a cluster is nobody's address",
                "publish: {port: 80, address: an address of your LAN}, or `expose`; kubectl port-forward needs neither",
            )
        elif port.publish.everywhere:
            yield warning(
                "kubernetes/any-address",
                path,
                f"the load balancer picks the address of `{workload.name}`",
                "name one of its addresses",
            )


def _volumes(cluster: Cluster) -> Iterator[Diagnostic]:
    for name, hosts in storage.users(cluster).items():
        volume = cluster.deployment.volumes[name]
        if volume.managed and volume.size is None:
            yield error(
                "kubernetes/volume-size",
                ("volumes", name),
                "a managed volume of Kubernetes has a size",
                f"{name}: {{managed: true, size: 20GiB}}",
            )
        if volume.managed and len(hosts) > 1:
            yield warning(
                "kubernetes/shared-volume",
                ("volumes", name),
                f"{' and '.join(host.name for host in hosts)} share it, which few storage classes can",
                "an NFS volume, or a storage class for ReadWriteMany",
            )
        if volume.mount_options and volume.nfs is None:
            yield warning(
                "kubernetes/mount-options",
                ("volumes", name, "mount_options"),
                "only NFS volumes are mounted with options here",
                "put them into the storage class, or on the node",
            )


def _secrets(cluster: Cluster) -> Iterator[Diagnostic]:
    deploy = cluster.deployment.deploy
    if not cluster.secrets:
        return
    if deploy.secrets == "external-secrets" and deploy.secret_store is None:
        yield error(
            "kubernetes/no-secret-store",
            ("deploy", "secrets"),
            "nothing says which store External Secrets reads",
            "deploy: {secret_store: NAME}, a ClusterSecretStore",
        )
    if deploy.secrets in ("sops", "sops-nix") and deploy.gitops == "argocd":
        yield warning(
            "kubernetes/argocd-decrypts-nothing",
            ("deploy", "secrets"),
            "Argo CD applies what is encrypted by SOPS as it is",
            "secrets: external-secrets; or apply the folder of secrets yourself",
        )


def _gitops(cluster: Cluster) -> Iterator[Diagnostic]:
    deploy = cluster.deployment.deploy
    if deploy.gitops == "argocd" and deploy.repository is not None and deploy.repository.url is None:
        yield error(
            "kubernetes/no-repository",
            ("deploy", "repository"),
            "Argo CD has to know the address of the repository",
            "repository: {url: https://github.com/OWNER/NAME}",
        )
