"""What a stack asks for and Kubernetes cannot give, or what would fail only when it runs."""

from collections.abc import Iterator

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.target_defaults import after_elsewhere, container_user, unreachable
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes import charts, gpu_findings, kserve, monitoring, storage
from stackgen.targets.kubernetes.cluster import PLATFORM, Cluster
from stackgen.targets.kubernetes.text import KEY, SERVICE


def findings(cluster: Cluster) -> Iterator[Diagnostic]:
    """Everything that is wrong with a cluster's objects."""
    for workload in cluster.workloads:
        yield from _names(workload)
        yield from unreachable(workload, cluster, cluster.address)
        yield from after_elsewhere(workload, cluster)
        yield from _workers(workload, cluster)
        yield from kserve.findings(workload, cluster)
        yield from gpu_findings.cards(workload, cluster)
        yield from container_user(workload)
        yield from _published(workload)
    yield from _taken(cluster)
    yield from gpu_findings.sharing(cluster)
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


def _taken(cluster: Cluster) -> Iterator[Diagnostic]:
    """Ports of one address; on a host of its own, each service would have had it."""
    owners: dict[tuple[str, int], str] = {}
    for workload in cluster.workloads:
        for port in workload.ports:
            if port.publish is None or port.publish.loopback or port.publish.everywhere:
                continue
            owner = owners.setdefault((port.publish.address, port.publish.port), workload.name)
            if owner != workload.name:
                yield error(
                    "kubernetes/taken-port",
                    (*workload.path, "publish"),
                    f"`{owner}` has port {port.publish.port} of {port.publish.address} already, whatever its node",
                    "another port, or another address of the load balancer",
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
