"""Which proxy of the stack, or which platform, answers for the host name of a service."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from stackgen.domain.interface import Interface, Proxy
from stackgen.domain.linked import Exposure, LinkedService, bracketed


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """Where people find a service by its host name."""

    exposure: Exposure
    scheme: str = "https"
    port: int | None = None
    """None = the usual one of the scheme."""
    own_authority: bool = False
    proxy: str | None = None
    """The service that answers there; None = the platform of the service's host does."""

    @property
    def url(self) -> str:
        """As people type it."""
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{bracketed(self.exposure.hostname)}{port}"


def fronts(
    services: Mapping[str, LinkedService],
    interfaces: Mapping[str, Interface],
    routed: Collection[str] = (),
    scheme: Literal["https", "http"] = "https",
) -> dict[str, Front]:
    """The fronts by service; `routed` are the platforms that answer for host names themselves, by that scheme.

    Of several proxies the one that names the service is taken, then one on its host, then the first by name.
    """
    proxies = {name: i.proxy for name, i in sorted(interfaces.items()) if i.proxy}
    found: dict[str, Front] = {}
    for name, service in services.items():
        if service.expose is None or name in proxies:
            continue
        if service.host.platform in routed:
            found[name] = Front(exposure=service.expose, scheme=scheme)
        elif proxy := min(_candidates(service, services, proxies), default=None):
            by = proxies[proxy[-1]]
            found[name] = Front(
                exposure=service.expose,
                scheme=by.scheme,
                port=by.port,
                own_authority=by.own_authority,
                proxy=proxy[-1],
            )
    return found


def url_of(service: LinkedService, known: Mapping[str, Front]) -> str | None:
    """What people type to reach a service with a host name; a proxy that the stack does not know has https."""
    if service.expose is None:
        return None
    return known.get(service.name, Front(exposure=service.expose)).url


def _candidates(
    service: LinkedService, services: Mapping[str, LinkedService], proxies: Mapping[str, Proxy]
) -> Iterator[tuple[bool, bool, str]]:
    """Proxies that would answer for a service; the least is the best."""
    for name, proxy in proxies.items():
        if proxy.services is None or service.name in proxy.services:
            yield proxy.services is None, services[name].host.name != service.host.name, name
