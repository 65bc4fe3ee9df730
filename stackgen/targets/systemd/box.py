"""What all parts of one host share: who its programs run as, and how they reach others."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from stackgen.domain.unit_host import UnitHost, beside, shortened
from stackgen.domain.workload import ServiceUrl, Workload

_LONGEST_USER: Final = 31


@dataclass(frozen=True, kw_only=True, slots=True)
class Box(UnitHost):
    """One host whose services are programs of its own."""

    @property
    def folder(self) -> PurePosixPath:
        """Where its files are rendered."""
        return PurePosixPath("systemd", self.name)

    @property
    def user(self) -> str:
        """The system user that owns what programs keep; the others run as users that exist only meanwhile."""
        return shortened(self.deployment.name, _LONGEST_USER)

    def keeps(self, workload: Workload) -> bool:
        """Whether it writes to a volume, which must belong to somebody afterwards."""
        return any(not mount.read_only for mount in workload.mounts)

    def url(self, to: ServiceUrl) -> str:
        """A URL; where there is no way, `findings` has an error."""
        return f"http://{self.address(to.service) or to.service}{to.path}"

    def address(self, service: str) -> str | None:
        """`address:port` of a service, or None if there is no way."""
        return self.seen(service, lambda place: None if place.port is None else beside(place))
