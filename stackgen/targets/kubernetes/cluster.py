"""What all objects of a cluster share: names, labels, places of volumes, and who is up."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain.delivery import Cluster as Installed
from stackgen.domain.downloads import jobs
from stackgen.domain.linked import LinkedHost, SecretKey
from stackgen.domain.reach import by_name, places, urls
from stackgen.domain.site import Site
from stackgen.domain.target_defaults import present
from stackgen.domain.turns import up as up_of
from stackgen.domain.workload import Deployment, HostDeployment, ServiceUrl, Workload
from stackgen.targets.kubernetes.text import fitted, hashed

PLATFORM: Final = "kubernetes"
FOLDER: Final = PurePosixPath("kubernetes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A download, and the nodes that it may run on."""

    workload: Workload
    hosts: tuple[str, ...]

    @property
    def volume(self) -> str:
        """What it fills."""
        return self.workload.mounts[0].volume


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster(Site):
    """All hosts of this platform as one place: their services find each other by name."""

    nodes: tuple[HostDeployment, ...]

    @property
    def namespace(self) -> str:
        """Where everything goes."""
        return self.deployment.deploy.namespace or self.deployment.name

    @property
    def installed(self) -> Installed:
        """What the cluster has."""
        return self.deployment.deploy.cluster

    @property
    def hosts(self) -> dict[str, LinkedHost]:
        """Its nodes by the name of the host."""
        return {item.host.name: item.host for item in self.nodes}

    def hosts_of(self, workload: Workload) -> tuple[LinkedHost, ...]:
        """The hosts that run a part of a service; the first one leads."""
        others = workload.workers.hosts if workload.workers else ()
        return (self.places[workload.name].host, *others)

    def address(self, service: str) -> str | None:
        """`address:port` of a service as pods see it, or None if there is no way."""
        return self.seen(service, by_name)

    def url(self, url: ServiceUrl) -> str:
        """A URL; where there is no way, `findings` has an error, so nobody will use what stands here."""
        return f"http://{self.address(url.service) or url.service}{url.path}"

    def talks_to(self, workload: Workload) -> tuple[str, ...]:
        """The services that it calls."""
        return tuple(sorted({*(url.service for url in urls(workload)), *workload.after} & self.places.keys()))

    def called_by(self, service: str) -> tuple[str, ...]:
        """The services of this cluster that call one."""
        return tuple(w.name for w in self.workloads if service in self.talks_to(w) and w.name != service)

    @property
    def up(self) -> frozenset[str]:
        """Of the services that take turns, those that run: the first of each group, as far as groups allow."""
        groups = [members for _, members in self.deployment.exclusive]
        return up_of(groups, lambda name: self.local(name) is not None)

    def replicas(self, workload: Workload) -> int:
        """0 for a service whose turn it is not."""
        return int(not workload.exclusive or workload.name in self.up)

    @property
    def downloads(self) -> tuple[Job, ...]:
        """One job for each volume; for a folder of hosts, one on each."""
        found: dict[tuple[str, str | None], tuple[Workload, list[str]]] = {}
        for host in sorted(self.hosts):
            for workload in jobs(self.deployment, host):
                volume = workload.mounts[0].volume
                key = (volume, host if self.deployment.volumes[volume].path else None)
                found.setdefault(key, (workload, []))[1].append(host)
        return tuple(Job(workload=workload, hosts=tuple(hosts)) for workload, hosts in found.values())

    def downloads_before(self, workload: Workload) -> Iterator[Job]:
        """Those that a service waits for."""
        mounted = {mount.volume for mount in workload.mounts}
        on = {host.name for host in self.hosts_of(workload)}
        waiting = {d.volume for d in self.deployment.downloads if workload.name in d.services}
        yield from (job for job in self.downloads if job.volume in waiting & mounted and on & set(job.hosts))

    def meta(self, name: str, labels: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """The metadata of an object; Flux would replace `${...}` wherever it finds it."""
        flux = self.deployment.deploy.gitops == "flux"
        own = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"} if flux else {}
        annotations = own | more.pop("annotations", {})
        common = {
            "app.kubernetes.io/part-of": self.deployment.name,
            "app.kubernetes.io/managed-by": "stackgen",
        }
        return present(
            {
                "name": name,
                "namespace": more.pop("namespace", self.namespace),
                "labels": dict(labels or {}) | common,
                "annotations": annotations,
            }
        )

    @property
    def stays(self) -> dict[str, str]:
        """Annotations of what holds people's data: whoever applies the files must not delete it with its file."""
        match self.deployment.deploy.gitops:
            case "argocd":
                return {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}
            case "flux":
                return {"kustomize.toolkit.fluxcd.io/prune": "disabled"}
            case "none":
                return {}

    def by_kserve(self, workload: Workload) -> bool:
        """Whether KServe makes its pods."""
        return workload.workers is not None and self.installed.multi_node == "kserve"

    def selector(self, service: str) -> dict[str, str]:
        """What finds the pods of a service or of a download; never changes, for it must not."""
        found = self.local(service)
        if found is not None and self.by_kserve(found):
            # Pods get these labels and none of ours.
            return {"app.kubernetes.io/name": service, "app.kubernetes.io/part-of": "llminferenceservice"}
        return self.service_labels(service)

    def service_labels(self, service: str) -> dict[str, str]:
        """Labels of the Services of one, and of those of no other."""
        return {
            "app.kubernetes.io/instance": fitted(service),
            "app.kubernetes.io/part-of": self.deployment.name,
        }

    def labels(self, workload: Workload) -> dict[str, str]:
        """The labels of a service's objects."""
        return {
            "app.kubernetes.io/name": fitted(workload.engine),
            "app.kubernetes.io/instance": fitted(workload.name),
        }

    def claim(self, volume: str, host: LinkedHost) -> str:
        """The name of the claim by which pods on a host mount a volume.

        Neither a source nor the size of what is bound to one can be changed in place, so a folder or a share has them
        in its name; data of managed ones must stay.
        """
        found = self.deployment.volumes[volume]
        if found.managed:
            return volume
        return hashed(
            volume,
            (found.nfs, found.path, found.mount_options, found.size, node_name(host) if found.path else None),
        )

    @property
    def secrets(self) -> dict[str, set[str]]:
        """The keys of every secret that pods read, by its name."""
        found: dict[str, set[str]] = {}
        for workload in (*self.workloads, *(job.workload for job in self.downloads)):
            for value in workload.env.values():
                if isinstance(value, SecretKey):
                    found.setdefault(value.name, set()).add(value.key)
        return dict(sorted(found.items()))


def cluster(deployment: Deployment) -> Cluster | None:
    """The hosts of this platform as one; None if there are none."""
    nodes = tuple(
        sorted((h for h in deployment.hosts if h.host.platform == PLATFORM), key=lambda item: item.host.name)
    )
    if not nodes:
        return None
    everything = HostDeployment(
        host=LinkedHost(name=deployment.name, platform=PLATFORM),
        workloads=tuple(workload for node in nodes for workload in node.workloads),
    )
    return Cluster(deployment=deployment, host=everything, places=places(deployment), nodes=nodes)


def node_name(host: LinkedHost) -> str:
    """What kubectl calls it."""
    return host.node or host.name


def turns(workload: Workload) -> dict[str, str]:
    """The groups of which one at a time may be up; how to change over stands in kustomization.yaml."""
    return {"stackgen/exclusive": " ".join(workload.exclusive)} if workload.exclusive else {}
