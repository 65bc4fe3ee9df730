"""What Prometheus asks, and as whom: the scrapes of other services, taken from their interfaces."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from stackgen.domain.interface import Scrape
from stackgen.domain.linked import LinkedService, SecretKey
from stackgen.domain.plan import Plan

KEYS: Final = PurePosixPath("/run/keys")


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """One scrape of a service; `job` is unique."""

    service: LinkedService
    scrape: Scrape
    job: str
    key: SecretKey | None
    """What must be sent along, if anything."""

    @property
    def variable(self) -> str:
        """The environment variable that holds the key."""
        return f"KEY_{self.service.name.upper().replace('-', '_')}"

    @property
    def key_file(self) -> PurePosixPath:
        """Where Prometheus reads the key."""
        return KEYS / self.service.name

    @property
    def always_up(self) -> bool:
        """Whether no answer means that it is down: a model that is not loaded gives none either."""
        return not self.scrape.parameters


def watched(service: LinkedService, plan: Plan) -> tuple[Watched, ...]:
    """The scrapes of the services that it uses, or else of all that have any, by name."""
    named = {reference.service for reference in service.uses.get("targets", ())}
    names = sorted(name for name in plan.interfaces if name != service.name and (name in named or not named))
    return tuple(found for name in names for found in _of(name, plan))


def _of(name: str, plan: Plan) -> Iterator[Watched]:
    interface = plan.interfaces[name]
    for scrape in interface.scrapes:
        what = [value for key, value in scrape.parameters if key == "model"]
        yield Watched(
            service=plan.stack.services[name],
            scrape=scrape,
            job="/".join([name, *what]),
            key=interface.key if scrape.authorized else None,
        )
