"""Who may talk to whom: nobody, but for the paths that the stack needs."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

from stackgen.domain.target_defaults import present
from stackgen.domain.workload import Port, Workload
from stackgen.targets.kubernetes import monitoring
from stackgen.targets.kubernetes.cluster import Cluster, Job

_LINK_LOCAL: Final = "169.254.0.0/16"
_PRIVATE: Final = {
    # With what providers give to routers, and mesh networks such as Tailscale to machines (RFC 6598).
    "0.0.0.0/0": ["10.0.0.0/8", "100.64.0.0/10", _LINK_LOCAL, "172.16.0.0/12", "192.168.0.0/16"],
    "::/0": ["fc00::/7", "fe80::/10"],
}
_PUBLIC: Final = frozenset({"registry.ollama.ai:443"})
"""Addresses that are known to be on the internet."""
_AUTHORITY: Final = r"(?P<scheme>https?)://([^/@]*@)?(?P<host>\[[^\]]+\]|[^:/]+)(:(?P<port>\d+))?"
_PORTS: Final = {"http": 80, "https": 443}
_NAMESPACE: Final = "kubernetes.io/metadata.name"


def common(cluster: Cluster) -> dict[str, Any]:
    """Nothing comes in, nothing goes out but questions to the cluster's DNS."""
    ports = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    # A cache of names on each node has an address of its own.
    resolvers = [_namespace("kube-system"), {"ipBlock": {"cidr": _LINK_LOCAL}}]
    return _policy("default-deny", cluster, {}, egress=[{"to": resolvers, "ports": ports}])


def of_service(workload: Workload, cluster: Cluster) -> Iterator[dict[str, Any]]:
    """The paths of one service."""
    selector = cluster.selector(workload.name)
    yield _policy(
        workload.name,
        cluster,
        selector,
        ingress=list(_ingress(workload, cluster)),
        egress=list(_egress(workload, cluster)),
    )
    if _exposed(workload) and "cilium" in _fronts(cluster):
        # Its gateway is no pod of a namespace, so no other policy can name it.
        yield {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNetworkPolicy",
            "metadata": cluster.meta(f"{workload.name}-gateway", cluster.labels(workload)),
            "spec": {
                "endpointSelector": {"matchLabels": selector},
                "ingress": [
                    {
                        "fromEntities": ["ingress"],
                        "toPorts": [{"ports": [{"port": str(workload.ports[0].number), "protocol": "TCP"}]}],
                    }
                ],
            },
        }


def of_download(job: Job, cluster: Cluster) -> dict[str, Any]:
    """A download may ask the internet, and where its files are besides."""
    selector = cluster.selector(job.workload.name)
    egress = [{"to": _internet(), "ports": [_tcp(443)]}, *map(_at, _sources(job, cluster))]
    return _policy(job.workload.name, cluster, selector, egress=egress)


def _sources(job: Job, cluster: Cluster) -> list[str]:
    """`host:port` of files that are on no hub; they may be on a machine nearby."""
    files = (file for d in cluster.deployment.downloads if d.volume == job.volume for file in d.files)
    found = (match for file in files if file.url and (match := re.match(_AUTHORITY, file.url)))
    return sorted({f"{m['host']}:{m['port'] or _PORTS[m['scheme']]}" for m in found} - _PUBLIC)


def _exposed(workload: Workload) -> bool:
    return bool(workload.expose and workload.ports)


def _fronts(cluster: Cluster) -> frozenset[str]:
    """Who may answer for host names: Cilium itself, pods, or either where nothing tells."""
    deploy = cluster.deployment.deploy
    if cluster.installed.network != "cilium":
        return frozenset({"pods"})
    if deploy.gateway is not None or deploy.ingress_class is None:
        return frozenset({"cilium", "pods"})
    return frozenset({"cilium" if deploy.ingress_class == "cilium" else "pods"})


def _ingress(workload: Workload, cluster: Cluster) -> Iterator[dict[str, Any]]:
    if not workload.ports:
        return
    first = _tcp(workload.ports[0].number)
    callers = cluster.called_by(workload.name)
    if callers:
        yield {
            "from": [_pods(cluster, name) for name in callers],
            "ports": [_tcp(p.number) for p in workload.ports],
        }
    if _exposed(workload) and "pods" in _fronts(cluster):
        gateway = cluster.deployment.deploy.gateway
        namespace = gateway and (gateway.pods or gateway.namespace or cluster.namespace)
        # Where the pods of an Ingress controller are, nothing tells.
        yield {"from": [_namespace(namespace) if namespace else {"namespaceSelector": {}}], "ports": [first]}
    if (installed := cluster.installed.monitoring) and monitoring.scrapes(workload, cluster):
        yield {"from": [_namespace(installed.namespace)], "ports": [first]}
    if published := [port for port in workload.ports if _on_lan(port)]:
        yield {"ports": [_tcp(port.number) for port in published]}
    if workload.workers:
        yield {"from": [_pods(cluster, workload.name)]}


def _egress(workload: Workload, cluster: Cluster) -> Iterator[dict[str, Any]]:
    for name in cluster.talks_to(workload):
        if (found := cluster.local(name)) is not None:
            if found.ports:
                yield {"to": [_pods(cluster, name)], "ports": [_tcp(port.number) for port in found.ports]}
        elif (outside := cluster.places[name].outside) is not None:
            yield _at(outside)
    yield from map(_at, workload.calls)
    if workload.workers:
        yield {"to": [_pods(cluster, workload.name)]}
    if not workload.offline:
        yield {"to": _internet()}


def _at(address: str) -> dict[str, Any]:
    """The way to `host:port`."""
    host, _, port = address.rpartition(":")
    return present({"to": _hosts(host.strip("[]")), "ports": [_tcp(int(port))]})


def _hosts(address: str) -> list[dict[str, Any]] | None:
    """A host by its address; by name it may be anywhere."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return [{"ipBlock": {"cidr": f"{found}/{found.max_prefixlen}"}}]


def _on_lan(port: Port) -> bool:
    return port.publish is not None and not port.publish.loopback


def _internet() -> list[dict[str, Any]]:
    return [{"ipBlock": {"cidr": cidr, "except": private}} for cidr, private in _PRIVATE.items()]


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE: name}}}


def _pods(cluster: Cluster, service: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": cluster.selector(service)}}


def _tcp(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "TCP"}


def _policy(
    name: str,
    cluster: Cluster,
    selector: dict[str, str],
    ingress: list[dict[str, Any]] | None = None,
    egress: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": cluster.meta(name),
        "spec": {
            "podSelector": {"matchLabels": selector} if selector else {},
            "policyTypes": ["Ingress", "Egress"],
            **present({"ingress": ingress, "egress": egress}),
        },
    }
