"""What all parts of one NixOS host share: names, where a program runs, how it reaches others, its secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Final

from stackgen.domain.document import NixExpr
from stackgen.domain.downloads import jobs, waited_for
from stackgen.domain.linked import LinkedGpu, SecretKey
from stackgen.domain.reach import Place, UrlOf, bracketed
from stackgen.domain.stack import Volume
from stackgen.domain.workload import ConfigFile, Deployment, HostDeployment, ServiceUrl, Workload
from stackgen.emit.nix import string

VISIBLE_DEVICES: Final[Mapping[str, str]] = {"nvidia": "CUDA_VISIBLE_DEVICES", "amd": "ROCR_VISIBLE_DEVICES"}
DEVICE_NODES: Final[Mapping[str, tuple[str, ...]]] = {"amd": ("/dev/kfd", "/dev/dri"), "intel": ("/dev/dri",)}
"""What a program needs to reach the GPUs of a vendor; NVIDIA's come by way of CDI or by device class."""

_LONGEST_INTERFACE: Final = 15


def is_native(workload: Workload) -> bool:
    """Whether it runs as a plain systemd service: what has no image can only do so."""
    return not workload.image


def gpu_ids(gpus: tuple[LinkedGpu, ...], vendor: str) -> list[str]:
    """The GPUs of a vendor in bus order; UUIDs if all have one, for no driver promises to read a mixture."""
    found = sorted((gpu for gpu in gpus if gpu.vendor == vendor), key=lambda gpu: gpu.index)
    uuids = [gpu.uuid for gpu in found if gpu.uuid]
    return uuids if len(uuids) == len(found) else [str(gpu.index) for gpu in found]


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """One host of a deployment."""

    deployment: Deployment
    host: HostDeployment
    places: Mapping[str, Place]

    @property
    def name(self) -> str:
        """The host's name."""
        return self.host.host.name

    @property
    def folder(self) -> PurePosixPath:
        """Where its files go."""
        return PurePosixPath("nixos", self.name)

    @property
    def workloads(self) -> list[Workload]:
        """Its services by name."""
        return sorted(self.host.workloads, key=lambda workload: workload.name)

    @property
    def jobs(self) -> tuple[Workload, ...]:
        """Downloads, each of which runs once before the services that wait for it."""
        return jobs(self.deployment, self.name)

    @property
    def containers(self) -> list[Workload]:
        """Those that run in a container."""
        return [workload for workload in self.workloads if not is_native(workload)]

    @property
    def network(self) -> str:
        """The Podman network on which its containers find each other by name."""
        return self.deployment.name

    @property
    def bridge(self) -> str:
        """The network's interface, of which Linux takes 15 characters."""
        name = f"sg-{self.network}"
        if len(name) <= _LONGEST_INTERFACE:
            return name
        return f"{name[:10]}-{sha256(name.encode()).hexdigest()[:4]}"

    @property
    def sops(self) -> bool:
        """Whether secrets come from sops-nix; else each service has a file with them on the host."""
        return self.deployment.deploy.secrets in ("sops", "sops-nix")

    @property
    def cdi_by_uuid(self) -> bool:
        """Whether CDI can name this host's cards by UUID; it names all of them in the same way."""
        cards = [gpu for w in self.containers for gpu in w.gpus if gpu.vendor == "nvidia"]
        return bool(cards) and all(gpu.uuid for gpu in cards)

    def unit(self, service: str) -> str:
        """Name of a service's unit, without its ending."""
        return f"{self.deployment.name}-{service}"

    def waits_for(self, service: str) -> list[str]:
        """The units that must have ended well before a service starts."""
        return [f"{self.unit(job)}.service" for job in waited_for(self.deployment, self.name, service)]

    def local(self, service: str) -> Workload | None:
        """A service of this host."""
        return next((w for w in self.host.workloads if w.name == service), None)

    def volume(self, name: str) -> Volume:
        """A volume of the stack."""
        return self.deployment.volumes[name]

    def folder_of(self, volume: str) -> str | None:
        """Where a volume is on this host; None for one that the platform provides."""
        found = self.volume(volume)
        return f"/mnt/{self.deployment.name}/{volume}" if found.nfs else found.path

    def source(self, file: ConfigFile, workload: Workload) -> NixExpr:
        """A config file beside the module; Nix copies it to its store, whose path changes with the content."""
        return NixExpr(f"./. + {string(f'/{workload.name}/{file.name}')}")

    def secrets(self, workload: Workload) -> dict[str, SecretKey]:
        """The environment variables whose values are secrets."""
        return {name: v for name, v in sorted(workload.env.items()) if isinstance(v, SecretKey)}

    def environment_file(self, workload: Workload) -> str:
        """Where somebody puts the secrets of a service."""
        return f"/var/lib/secrets/{self.deployment.name}/{workload.name}.env"

    def url_of(self, caller: Workload) -> UrlOf:
        """How `caller` reaches others; where there is no way, `findings` has an error."""

        def url(to: ServiceUrl) -> str:
            return f"http://{self.address(to.service, caller) or to.service}{to.path}"

        return url

    def address(self, service: str, caller: Workload) -> str | None:
        """`address:port` of a service as `caller` sees it, or None if there is no way."""
        place = self.places.get(service)
        if place is None:
            return None
        if self.local(service) is None:
            return place.outside
        if place.port is None:
            return None
        match is_native(caller), is_native(place.workload):
            case False, False:
                return f"{service}:{place.port}"
            case False, True:
                return f"host.containers.internal:{place.port}"
            case True, True:
                return f"127.0.0.1:{place.port}"
            case _:
                return _on_the_host(place)


def _on_the_host(place: Place) -> str | None:
    """A container as programs on its host see it: not by name, and only where it is published."""
    publish = place.publish
    if publish is None:
        return None
    here = publish.everywhere or publish.loopback
    return f"{'127.0.0.1' if here else bracketed(publish.address)}:{publish.port}"
