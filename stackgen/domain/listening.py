"""Programs outside of containers share the ports of their host: where each of them listens there."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Final

from stackgen.domain.linked import Publication, bracketed
from stackgen.domain.workload import Deployment, HostDeployment, Workload

AddressOf = Callable[[HostDeployment, Workload], str | None]
"""Where a program listens that shares the network of its host; None for one that has a network of its own."""
LOOPBACK: Final = "127.0.0.1"


def published_address(_: HostDeployment, workload: Workload) -> str:
    """The address that `publish` names, else none that others reach."""
    publish = workload.ports[0].publish if workload.ports else None
    return publish.address if publish else LOOPBACK


def on_hosts(deployment: Deployment, address_of: AddressOf) -> Deployment:
    """The deployment in which those who can be told listen on the ports that they publish.

    One that publishes none gets a port that nobody else of its host wants.
    """
    return replace(
        deployment,
        hosts=tuple(replace(h, workloads=tuple(_workloads(h, address_of))) for h in deployment.hosts),
    )


def _workloads(host: HostDeployment, address_of: AddressOf) -> Iterator[Workload]:
    shared = {w.name: address for w in host.workloads if (address := address_of(host, w)) is not None}
    told = {w.name for w in host.workloads if w.name in shared and w.listen and w.ports}
    taken = {port.publish.port for w in host.workloads for port in w.ports if port.publish}
    for workload in host.workloads:
        if workload.name in shared:
            taken |= {port.number for port in workload.ports[1 if workload.name in told else 0 :]}
    places: dict[str, Publication] = {}
    # By name, for the order in stack.yaml changes nothing.
    for workload in sorted(host.workloads, key=lambda w: w.name):
        if workload.name in told:
            first = workload.ports[0]
            free = (n for n in count(first.number) if n not in taken)
            number = first.publish.port if first.publish else next(free)
            taken.add(number)
            places[workload.name] = Publication(number, shared[workload.name])
    for workload in host.workloads:
        place = places.get(workload.name)
        yield workload if place is None else listening(workload, place)


def near(place: Publication) -> str:
    """The address under which those on the same host reach it."""
    return LOOPBACK if place.everywhere or place.loopback else place.address


def listening(workload: Workload, place: Publication) -> Workload:
    """A workload whose first port is this one."""
    listen, first = workload.listen, workload.ports[0]
    if listen is None:
        return workload

    def told(text: str) -> str:
        with_port = text.replace("{address}:", f"{bracketed(place.address)}:")
        return with_port.replace("{address}", place.address).replace("{port}", str(place.port))

    health = workload.health
    return replace(
        workload,
        env={**workload.env, **{name: told(text) for name, text in listen.env.items()}},
        args=(*workload.args, *map(told, listen.args)),
        ports=(replace(first, number=place.port), *workload.ports[1:]),
        health=replace(health, port=place.port, address=near(place))
        if health and health.port == first.number
        else health,
    )
