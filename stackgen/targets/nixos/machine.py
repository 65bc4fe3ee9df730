"""What all parts of one NixOS host share: names, where a program runs, how it reaches others, its secrets."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Final

from stackgen.domain.document import NixExpr
from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import Place, UrlOf, bracketed
from stackgen.domain.site import Site
from stackgen.domain.stack import Volume
from stackgen.domain.workload import ConfigFile, ServiceUrl, Workload
from stackgen.emit.nix import string

_LONGEST_INTERFACE: Final = 15


def is_native(workload: Workload) -> bool:
    """Whether it runs as a plain systemd service: what has no image can only do so."""
    return not workload.image


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine(Site):
    """One host as a NixOS machine."""

    @property
    def folder(self) -> PurePosixPath:
        """Where its files go."""
        return PurePosixPath("nixos", self.name)

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

    def units_before(self, service: str) -> list[str]:
        """The units that must have ended well before a service starts."""
        return [f"{self.unit(job)}.service" for job in self.jobs_before(service)]

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
