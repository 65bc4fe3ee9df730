"""ServiceMonitors: whom the cluster's own Prometheus asks for figures, and how."""

from collections.abc import Iterator
from typing import Any

from stackgen.domain.diagnostic import Diagnostic, warning
from stackgen.domain.interface import Interface, Scrape
from stackgen.domain.target_defaults import present
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes.cluster import Cluster
from stackgen.targets.kubernetes.network import LAN
from stackgen.targets.kubernetes.text import port_name


def scrapes(workload: Workload, cluster: Cluster) -> tuple[Scrape, ...]:
    """What the cluster's Prometheus asks a service for; nothing without one."""
    interface = cluster.deployment.interfaces.get(workload.name, Interface())
    return interface.scrapes if cluster.installed.monitoring and workload.ports else ()


def of_service(workload: Workload, cluster: Cluster) -> Iterator[dict[str, Any]]:
    """What makes the operator tell its Prometheus of a service."""
    found, installed = scrapes(workload, cluster), cluster.installed.monitoring
    if not found or installed is None:
        return
    meta = cluster.meta(workload.name, cluster.labels(workload))
    meta["labels"] |= installed.labels
    yield {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": meta,
        "spec": {
            "selector": {
                "matchLabels": cluster.service_labels(workload.name),
                "matchExpressions": [
                    {"key": key, "operator": "NotIn", "values": [value]} for key, value in LAN.items()
                ],
            },
            "endpoints": [_endpoint(scrape, workload, cluster) for scrape in found],
        },
    }


def _endpoint(scrape: Scrape, workload: Workload, cluster: Cluster) -> dict[str, Any]:
    key = cluster.deployment.interfaces[workload.name].key if scrape.authorized else None
    host = {"targetLabel": "host", "replacement": cluster.places[workload.name].host.name}
    # One address that is asked for several models is several series.
    model = {"sourceLabels": ["__param_model"], "targetLabel": "model"}
    return present(
        {
            "port": port_name(workload.ports[0].name),
            "path": scrape.path,
            "params": {name: [value] for name, value in scrape.parameters},
            "authorization": {"credentials": {"name": key.name, "key": key.key}} if key else None,
            "relabelings": [host, *([model] if "model" in dict(scrape.parameters) else [])],
        }
    )


def findings(cluster: Cluster) -> Iterator[Diagnostic]:
    """A Prometheus, and nothing to tell it of."""
    if cluster.installed.monitoring and not any(scrapes(w, cluster) for w in cluster.workloads):
        yield warning(
            "kubernetes/no-figures",
            ("deploy", "cluster", "monitoring"),
            "no service of the cluster offers figures for Prometheus",
            "docs/monitoring.md says which engines do, and by which option",
        )
