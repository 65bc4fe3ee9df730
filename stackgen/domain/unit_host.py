"""A host on which systemd starts everything: names of units, where volumes and secrets are, who takes turns."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath

from stackgen.domain.linked import SecretKey, bracketed
from stackgen.domain.listening import LOOPBACK, near
from stackgen.domain.reach import Place
from stackgen.domain.site import Site
from stackgen.domain.stack import Volume
from stackgen.domain.workload import Workload


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitHost(Site):
    """One host with a unit for each service."""

    def unit(self, service: str) -> str:
        """Name of a service's unit, without its ending."""
        return f"{self.deployment.name}-{service}"

    @property
    def place(self) -> PurePosixPath:
        """Where its files must be on the host, for units name files by absolute paths."""
        return PurePosixPath("/etc/stackgen", self.deployment.name)

    @property
    def turns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Exclusive groups with the units of this host, where there are several."""
        groups = (
            (group, tuple(self.unit(name) for name in sorted(members) if self.local(name)))
            for group, members in self.deployment.exclusive
        )
        return tuple((group, units) for group, units in groups if len(units) > 1)

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

    def kept(self, volume: str) -> str:
        """Where systemd keeps a volume that the platform provides, below /var/lib."""
        return f"{self.deployment.name}/{volume}"

    def secrets(self, workload: Workload) -> dict[str, SecretKey]:
        """The environment variables whose values are secrets."""
        return {name: v for name, v in sorted(workload.env.items()) if isinstance(v, SecretKey)}

    @property
    def secrets_folder(self) -> str:
        """Where somebody puts secrets on this host."""
        return f"/var/lib/secrets/{self.deployment.name}"

    def environment_file(self, workload: Workload) -> str:
        """Where somebody puts the secrets of a service."""
        return f"{self.secrets_folder}/{workload.name}.env"

    def secret_file(self, secret: SecretKey) -> str:
        """Where somebody puts a secret that a program reads from a file."""
        return f"{self.secrets_folder}/{secret.name}/{secret.key}"

    def rivals(self, workload: Workload) -> list[str]:
        """The services of this host that must be down while this one is up."""
        groups = [members for group, members in self.deployment.exclusive if group in workload.exclusive]
        names = {name for members in groups for name in members} - {workload.name}
        return sorted(name for name in names if self.local(name))


def on_the_host(place: Place) -> str | None:
    """`address:port` of a container as programs of its host see it: not by name, and only where it is published."""
    publish = place.publish
    return None if publish is None else f"{bracketed(near(publish))}:{publish.port}"


def beside(place: Place) -> str:
    """`address:port` of a program that shares the network of its host, as others there see it."""
    return f"{bracketed(near(place.publish) if place.publish else LOOPBACK)}:{place.port}"


def shortened(name: str, longest: int) -> str:
    """The name, or as much of it as fits before four letters that tell it from others."""
    if len(name) <= longest:
        return name
    return f"{name[: longest - 5]}-{sha256(name.encode()).hexdigest()[:4]}"
