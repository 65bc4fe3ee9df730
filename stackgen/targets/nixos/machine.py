"""What all parts of one NixOS host share: where a program runs, and how it reaches others."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Final

from stackgen.domain.document import NixExpr
from stackgen.domain.listening import LOOPBACK, published_address
from stackgen.domain.reach import Place, UrlOf, by_name, urls
from stackgen.domain.unit_host import UnitHost, beside, on_the_host, shortened
from stackgen.domain.workload import ConfigFile, HostDeployment, ServiceUrl, Workload
from stackgen.emit.nix import string

_LONGEST_INTERFACE: Final = 15
MODULES: Final[Mapping[str, str]] = {
    "litellm": "litellm",
    "llama-server": "llama-cpp",
    "ollama": "ollama",
    "open-webui": "open-webui",
}
"""The modules of nixpkgs by engine; a module's name is that of its unit, so each runs once on a host."""


def is_native(workload: Workload) -> bool:
    """Whether it runs as a plain systemd service: what has no image can only do so."""
    return not workload.image


def address_of(host: HostDeployment, workload: Workload) -> str | None:
    """The address on which a program of a host listens; None for a container."""
    if host.host.platform != "nixos" or not is_native(workload):
        return None
    address = published_address(host, workload)
    # Containers come in by their bridge; the firewall keeps everybody else out.
    return "0.0.0.0" if address == LOOPBACK and workload.name in called_by_containers(host) else address  # noqa: S104


def called_by_containers(host: HostDeployment) -> frozenset[str]:
    """The services whose address a container of this host is given."""
    containers = (workload for workload in host.workloads if not is_native(workload))
    return frozenset(url.service for container in containers for url in urls(container))


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine(UnitHost):
    """One host as a NixOS machine."""

    @property
    def folder(self) -> PurePosixPath:
        """Where its files go."""
        return PurePosixPath("nixos", self.name)

    @property
    def containers(self) -> list[Workload]:
        """Those that run in a container."""
        return [workload for workload in self.workloads if not is_native(workload)]

    def module(self, service: str) -> str | None:
        """The module of nixpkgs that runs a service, if the stack asks for it."""
        workload = self.local(service)
        wanted = workload is not None and service in self.deployment.deploy.nixos_modules
        return MODULES.get(workload.engine) if workload and wanted else None

    def unit(self, service: str) -> str:
        """Name of a service's unit, without its ending."""
        return self.module(service) or UnitHost.unit(self, service)

    @property
    def network(self) -> str:
        """The Podman network on which its containers find each other by name."""
        return self.deployment.name

    @property
    def bridge(self) -> str:
        """The network's interface, of which Linux takes 15 characters."""
        return shortened(f"sg-{self.network}", _LONGEST_INTERFACE)

    @property
    def sops(self) -> bool:
        """Whether secrets come from sops-nix; else each service has a file with them."""
        return self.deployment.deploy.secrets in ("sops", "sops-nix")

    @property
    def agenix(self) -> bool:
        """Whether agenix decrypts that file; else somebody keeps it on the host."""
        return self.deployment.deploy.secrets == "agenix"

    @property
    def cdi_by_uuid(self) -> bool:
        """Whether CDI can name this host's cards by UUID; it names all of them in the same way."""
        cards = [gpu for w in self.containers for gpu in w.gpus if gpu.vendor == "nvidia"]
        return bool(cards) and all(gpu.uuid for gpu in cards)

    def source(self, file: ConfigFile, workload: Workload) -> NixExpr:
        """A config file beside the module; Nix copies it to its store, whose path changes with the content."""
        return NixExpr(f"./. + {string(f'/{workload.name}/{file.name}')}")

    def url_of(self, caller: Workload) -> UrlOf:
        """How `caller` reaches others; where there is no way, `findings` has an error."""

        def url(to: ServiceUrl) -> str:
            return f"http://{self.address(to.service, caller) or to.service}{to.path}"

        return url

    def address(self, service: str, caller: Workload) -> str | None:
        """`address:port` of a service as `caller` sees it, or None if there is no way."""
        return self.seen(service, partial(_neighbour, caller))


def _neighbour(caller: Workload, place: Place) -> str | None:
    if place.port is None:
        return None
    match is_native(caller), is_native(place.workload):
        case False, False:
            return by_name(place)
        case False, True:
            return f"host.containers.internal:{place.port}"
        case True, True:
            return beside(place)
        case _:
            return on_the_host(place)
