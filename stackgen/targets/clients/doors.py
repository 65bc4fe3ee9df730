"""Where each service is found from outside: its host name, else its published address, else not at all."""

from dataclasses import dataclass

from stackgen.domain.interface import Api, Interface, ServedModel, Task
from stackgen.domain.linked import bracketed
from stackgen.domain.reach import Place, places, urls
from stackgen.domain.workload import Deployment

_MODELS = frozenset({Api.OPENAI, Api.OLLAMA, Api.ANTHROPIC})
"""Protocols in which clients name a model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """A service as clients see it; `url` is None when nothing outside the stack reaches it."""

    name: str
    interface: Interface
    url: str | None
    limit: str = ""
    """What restricts the URL, as a sentence."""
    own_authority: bool = False
    gateway: bool = False
    """Whether it passes on to other services of the stack that have models."""

    @property
    def chat(self) -> tuple[ServedModel, ...]:
        """The models to talk with."""
        return tuple(model for model in self.interface.models if model.task is Task.CHAT)

    def base(self, api: Api) -> str:
        """Where a protocol begins."""
        return f"{self.url}{self.interface.apis[api]}"


def doors(deployment: Deployment) -> tuple[Door, ...]:
    """Every service that clients can talk to: gateways first, those that nobody outside reaches last."""
    everywhere = places(deployment)
    found = [
        _door(name, everywhere, deployment)
        for name, interface in sorted(deployment.interfaces.items())
        if name in everywhere and (interface.apis or everywhere[name].workload.expose)
    ]
    return tuple(sorted(found, key=lambda door: (not door.gateway, door.url is None, door.name)))


def _door(name: str, everywhere: dict[str, Place], deployment: Deployment) -> Door:
    place, interface = everywhere[name], deployment.interfaces[name]
    called = {url.service for url in urls(place.workload)} & deployment.interfaces.keys()
    passes_on = any(_MODELS & deployment.interfaces[other].apis.keys() for other in called)
    url, limit = _address(place, everywhere, deployment)
    front = deployment.fronts.get(name)
    return Door(
        name=name,
        interface=interface,
        url=url,
        limit=limit,
        own_authority=front is not None and front.own_authority,
        gateway=passes_on and Api.OPENAI in interface.apis,
    )


def _address(place: Place, everywhere: dict[str, Place], deployment: Deployment) -> tuple[str | None, str]:
    name, publish = place.workload.name, place.publish
    if front := deployment.fronts.get(name):
        proxy = everywhere.get(front.proxy or "")
        closed = proxy is not None and (proxy.publish is None or proxy.publish.loopback)
        return front.url, f"The proxy listens on `{place.host.name}` only." if closed else ""
    if exposure := place.workload.expose:
        return f"https://{exposure.hostname}", "The proxy in front of it is yours."
    if place.outside:
        return f"http://{place.outside}", ""
    if publish is None:
        return None, "Only services of the stack reach it: it has neither `expose` nor `publish`."
    if publish.loopback:
        return f"http://{bracketed(publish.address)}:{publish.port}", f"Only on `{place.host.name}` itself."
    url = f"http://{place.host.name}:{publish.port}"
    return url, f"As far as `{place.host.name}` is a name that is known: the host has no `address`."
