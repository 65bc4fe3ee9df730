"""How pods are reached: Services, fixed addresses on the LAN, routes for host names."""

from collections.abc import Iterator
from typing import Any, Final

from stackgen.domain.linked import Exposure, Publication
from stackgen.domain.target_defaults import present
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes.cluster import Cluster
from stackgen.targets.kubernetes.config import reloads
from stackgen.targets.kubernetes.controller import LEADER
from stackgen.targets.kubernetes.text import duration, fitted, port_name

ADDRESS: Final = {"cilium": "lbipam.cilium.io/ips", "metallb": "metallb.io/loadBalancerIPs"}
"""The annotation by which a load balancer gives a service the address that it asks for."""
_SHARING: Final = {"cilium": "lbipam.cilium.io/sharing-key", "metallb": "metallb.io/allow-shared-ip"}
"""The annotation by which services that say the same have one address, each its own ports."""

LAN: Final = {"app.kubernetes.io/component": "lan"}
"""The label of a further Service for the pods of another."""


def load_balancer(cluster: Cluster) -> str:
    """Who gives out addresses."""
    usual = "cilium" if cluster.installed.network == "cilium" else "metallb"
    return cluster.installed.load_balancer or usual


def services(workload: Workload, cluster: Cluster) -> Iterator[dict[str, Any]]:
    """One for the cluster, and one for each address of the LAN."""
    if not workload.ports:
        return
    inside = [{"name": port_name(p.name), "port": p.number, "targetPort": p.number} for p in workload.ports]
    yield _service(workload.name, workload, cluster, inside)
    published: dict[str, list[tuple[str, int, Publication]]] = {}
    for port in workload.ports:
        if port.publish and not port.publish.loopback:
            published.setdefault(port.publish.address, []).append((port.name, port.number, port.publish))
    for number, (address, ports) in enumerate(sorted(published.items())):
        outside = [{"name": port_name(n), "port": p.port, "targetPort": inner} for n, inner, p in ports]
        name = fitted(f"{workload.name}-lan{number or ''}")
        annotations = {} if ports[0][2].everywhere else _asking(address, cluster)
        yield _service(name, workload, cluster, outside, annotations)


def _asking(address: str, cluster: Cluster) -> dict[str, str]:
    balancer = load_balancer(cluster)
    users = {w.name for w in cluster.workloads for p in w.ports if p.publish and p.publish.address == address}
    return {ADDRESS[balancer]: address} | ({_SHARING[balancer]: address} if len(users) > 1 else {})


def _service(
    name: str,
    workload: Workload,
    cluster: Cluster,
    ports: list[dict[str, Any]],
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    group = LEADER if workload.workers else {}
    labels = cluster.labels(workload) | ({} if annotations is None else LAN)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": cluster.meta(name, labels, annotations=annotations or {}),
        "spec": present(
            {
                "type": "ClusterIP" if annotations is None else "LoadBalancer",
                "selector": cluster.selector(workload.name) | group,
                "ports": [port | {"protocol": "TCP"} for port in ports],
                # A program that refused a file goes on with the last one, though its pod is not ready then.
                "publishNotReadyAddresses": True if reloads(workload) else None,
            }
        ),
    }


def route(workload: Workload, cluster: Cluster) -> dict[str, Any] | None:
    """What leads from a host name to a service: by the Gateway if the stack names one, else by an Ingress."""
    if workload.expose is None or not workload.ports:
        return None
    gateway = cluster.deployment.deploy.gateway
    if gateway is None:
        return _ingress(workload, workload.expose, cluster)
    timeout = workload.expose.timeout
    rule = present(
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "timeouts": {"request": duration(timeout), "backendRequest": duration(timeout)}
            if timeout
            else None,
            "backendRefs": [{"name": workload.name, "port": workload.ports[0].number}],
        }
    )
    parent = present(
        {
            "name": gateway.name,
            "namespace": gateway.namespace or cluster.namespace,
            "sectionName": gateway.section,
        }
    )
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": cluster.meta(workload.name, cluster.labels(workload)),
        "spec": {"parentRefs": [parent], "hostnames": [workload.expose.hostname], "rules": [rule]},
    }


def _ingress(workload: Workload, expose: Exposure, cluster: Cluster) -> dict[str, Any]:
    # Seconds between two reads and two writes; and a picture or a book must fit into a request.
    waits = {
        f"nginx.ingress.kubernetes.io/proxy-{way}-timeout": str(expose.timeout) for way in ("read", "send")
    }
    issuer = cluster.deployment.deploy.ingress_issuer
    annotations = {
        "nginx.ingress.kubernetes.io/proxy-body-size": "0",
        **(waits if expose.timeout else {}),
        **({"cert-manager.io/cluster-issuer": issuer} if issuer else {}),
    }
    certificate = {"hosts": [expose.hostname], "secretName": fitted(f"{workload.name}-certificate")}
    backend = {"service": {"name": workload.name, "port": {"number": workload.ports[0].number}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": cluster.meta(workload.name, cluster.labels(workload), annotations=annotations),
        "spec": present(
            {
                "ingressClassName": cluster.deployment.deploy.ingress_class,
                "tls": [certificate] if issuer else None,
                "rules": [
                    {
                        "host": expose.hostname,
                        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                    }
                ],
            }
        ),
    }
