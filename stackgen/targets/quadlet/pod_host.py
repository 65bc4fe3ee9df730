"""What all parts of one host share: names of networks, volumes and secrets, and how containers reach others."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import by_name
from stackgen.domain.unit_host import UnitHost
from stackgen.domain.workload import ServiceUrl


@dataclass(frozen=True, kw_only=True, slots=True)
class PodHost(UnitHost):
    """One host whose services are containers of Podman."""

    @property
    def folder(self) -> PurePosixPath:
        """Where its files are rendered."""
        return PurePosixPath("quadlet", self.name)

    @property
    def quadlets(self) -> PurePosixPath:
        """Where Podman looks for them on the host."""
        return PurePosixPath("/etc/containers/systemd", self.deployment.name)

    def source(self, volume: str) -> str:
        """What is mounted for a volume: a folder of the host, or the quadlet of one that Podman keeps."""
        return self.folder_of(volume) or f"{self.unit(volume)}.volume"

    def secret(self, secret: SecretKey) -> str:
        """The name of a secret of Podman; neither of the first two parts can have a dot."""
        return f"{self.deployment.name}.{secret.name}.{secret.key}"

    def url(self, to: ServiceUrl) -> str:
        """A URL; where there is no way, `findings` has an error."""
        return f"http://{self.address(to.service) or to.service}{to.path}"

    def address(self, service: str) -> str | None:
        """`address:port` of a service as a container sees it, or None if there is no way."""
        return self.seen(service, by_name)
