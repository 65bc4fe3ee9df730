"""How services find each other: the URLs in a workload, and where the service behind one listens.

Only a target knows the names inside its own platform; what other hosts see is the same for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from stackgen.domain.linked import LinkedHost, Publication, bracketed
from stackgen.domain.workload import Deployment, Joined, ServiceAddress, ServiceUrl, Workload

UrlOf = Callable[[ServiceUrl], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A service with the host that runs it."""

    host: LinkedHost
    workload: Workload

    @property
    def port(self) -> int | None:
        """The port that its URL means: the first one."""
        return self.workload.ports[0].number if self.workload.ports else None

    @property
    def publish(self) -> Publication | None:
        """Where that port is published."""
        return self.workload.ports[0].publish if self.workload.ports else None

    @property
    def outside(self) -> str | None:
        """`address:port` under which other hosts reach it, or None when they cannot."""
        publish = self.publish
        if publish is None or publish.loopback:
            return None
        address = self.host.address if publish.everywhere else publish.address
        return None if address is None else f"{bracketed(address)}:{publish.port}"

    def why_not_outside(self) -> tuple[str, str]:
        """Why other hosts cannot reach it, and what to write so that they can."""
        name, host = self.workload.name, self.host.name
        if self.publish is None or self.publish.loopback:
            return (
                f"`{name}` listens on no address outside its host `{host}`",
                f"give services.{name} a `publish` with the `address` that other hosts reach",
            )
        return (
            f"`{name}` runs on the host `{host}`, which has no address",
            f"add `address` (a name or an IP address) to hosts.{host}",
        )


def by_name(place: Place) -> str | None:
    """`name:port` of a service, as containers of one network see it."""
    return None if place.port is None else f"{place.workload.name}:{place.port}"


def places(deployment: Deployment) -> dict[str, Place]:
    """Every service of a deployment by name."""
    return {
        workload.name: Place(host=item.host, workload=workload)
        for item in deployment.hosts
        for workload in item.workloads
    }


def resolve(value: Any, url_of: UrlOf) -> Any:
    """The value with every ServiceUrl, ServiceAddress and Joined in it as text, however deep they stand."""
    match value:
        case ServiceUrl():
            return url_of(value)
        case ServiceAddress():
            return url_of(ServiceUrl(service=value.service)).removeprefix("http://")
        case Joined():
            return "".join(part if isinstance(part, str) else url_of(part) for part in value.parts)
        case Mapping():
            return {key: resolve(item, url_of) for key, item in value.items()}
        case list():
            return [resolve(item, url_of) for item in value]
        case tuple():
            return tuple(resolve(item, url_of) for item in value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{f.name: resolve(getattr(value, f.name), url_of) for f in fields(value)})
        case _:
            return value


def urls(workload: Workload) -> tuple[ServiceUrl, ...]:
    """Every URL of another service in its environment and its config files, in order."""
    found: dict[ServiceUrl, None] = {}

    def record(url: ServiceUrl) -> str:
        found[url] = None
        return ""

    resolve((workload.env, [file.body for file in workload.config_files]), record)
    return tuple(found)
