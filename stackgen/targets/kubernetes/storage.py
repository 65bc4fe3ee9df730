"""Volumes: claims that pods mount, and the shares and folders that are bound to them."""

from collections.abc import Iterator
from typing import Any, Final

from stackgen.domain.linked import LinkedHost
from stackgen.domain.stack import Volume
from stackgen.domain.target_defaults import present
from stackgen.targets.kubernetes.cluster import Cluster, node_name
from stackgen.targets.kubernetes.text import fitted, quantity

NOMINAL: Final = "1Ti"
"""The size of what has none: the API wants one, and holds nobody to it."""


def users(cluster: Cluster) -> dict[str, tuple[LinkedHost, ...]]:
    """The hosts whose pods mount each volume."""
    found: dict[str, dict[str, LinkedHost]] = {}
    for workload in cluster.workloads:
        for mount in workload.mounts:
            for host in cluster.hosts_of(workload):
                found.setdefault(mount.volume, {})[host.name] = host
    return {name: tuple(hosts[host] for host in sorted(hosts)) for name, hosts in sorted(found.items())}


def objects(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """The claims of a cluster, each after what it is bound to."""
    for name, hosts in users(cluster).items():
        volume = cluster.deployment.volumes[name]
        if volume.managed:
            yield _claim(
                name, name, volume, cluster, modes=["ReadWriteOnce" if len(hosts) == 1 else "ReadWriteMany"]
            )
        elif volume.nfs is not None:
            yield from _static(
                name, volume, cluster, hosts[0], _share(volume, _persistent(name, hosts[0], cluster))
            )
        else:
            for host in hosts:
                yield from _static(name, volume, cluster, host, _folder(volume, host))


def _persistent(name: str, host: LinkedHost, cluster: Cluster) -> str:
    """The name of a volume, which the whole cluster shares."""
    return fitted(f"{cluster.namespace}-{cluster.claim(name, host)}", 63)


def _static(
    name: str, volume: Volume, cluster: Cluster, host: LinkedHost, source: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    persistent, claim = _persistent(name, host, cluster), cluster.claim(name, host)
    modes = ["ReadWriteMany" if volume.nfs else "ReadWriteOnce"]
    meta = cluster.meta(persistent)
    del meta["namespace"]
    yield {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": meta,
        "spec": {
            "capacity": {"storage": _size(volume)},
            "accessModes": modes,
            # What is on the share outlives whatever happens to the claim.
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"name": claim, "namespace": cluster.namespace},
            **source,
        },
    }
    yield _claim(claim, name, volume, cluster, modes=modes, bound_to=persistent)


def _claim(
    claim: str, name: str, volume: Volume, cluster: Cluster, *, modes: list[str], bound_to: str | None = None
) -> dict[str, Any]:
    # An empty class keeps the cluster's own from making another volume.
    storage_class = volume.storage_class if bound_to is None else ""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        # A share outlives its claim, a managed volume would be deleted with it.
        "metadata": cluster.meta(claim, annotations=cluster.stays if bound_to is None else {}),
        "spec": {
            "accessModes": modes,
            **({} if storage_class is None else {"storageClassName": storage_class}),
            **({} if bound_to is None else {"volumeName": bound_to}),
            "resources": {"requests": {"storage": _size(volume)}},
        },
    }


def _size(volume: Volume) -> str:
    return NOMINAL if volume.size is None else quantity(volume.size)


def _share(volume: Volume, persistent: str) -> dict[str, Any]:
    server, _, folder = (volume.nfs or "").partition(":")
    return present(
        {
            "mountOptions": list(volume.mount_options),
            "csi": {
                "driver": "nfs.csi.k8s.io",
                # Must be the only one of its name in the cluster.
                "volumeHandle": f"{server}{folder}##{persistent}",
                "volumeAttributes": {"server": server, "share": folder},
            },
        }
    )


def _folder(volume: Volume, host: LinkedHost) -> dict[str, Any]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node_name(host)]}
    return {
        "local": {"path": volume.path},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
    }
