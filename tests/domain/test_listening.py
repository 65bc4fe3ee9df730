"""Programs of a host share its ports."""

from dataclasses import replace

import pytest

from stackgen.domain.linked import Publication
from stackgen.domain.listening import listening, on_hosts, published_address
from stackgen.domain.workload import Health, Listen, Port, Workload
from tests.support.workloads import deployment, workload

TOLD = Listen(env={"BIND": "{address}:{port}"}, args=("--host", "{address}", "--port", "{port}"))


def api(name: str, publish: Publication | None = None, **changes: object) -> Workload:
    ports = (Port(name="http", number=8080, publish=publish),)
    return workload(name, ports=ports, listen=TOLD, **changes)


def numbers(*workloads: Workload) -> dict[str, int]:
    [host] = on_hosts(deployment(*workloads), published_address).hosts
    return {w.name: w.ports[0].number for w in host.workloads}


def test_each_gets_a_port_of_its_own() -> None:
    assert numbers(api("b"), api("a"), api("c")) == {"b": 8081, "a": 8080, "c": 8082}


def test_who_publishes_listens_there_and_nobody_else_does() -> None:
    published = api("z", Publication(8080, "127.0.0.1"))
    assert numbers(api("a"), published) == {"a": 8081, "z": 8080}


def test_who_cannot_be_told_keeps_its_port() -> None:
    assert numbers(api("a"), replace(api("fixed"), listen=None)) == {"a": 8081, "fixed": 8080}


def test_who_has_a_network_of_its_own_is_left_alone() -> None:
    found = deployment(api("a"), api("b"))
    assert on_hosts(found, lambda *_: None) == found


@pytest.mark.parametrize(
    ("address", "bind", "asked"),
    [
        ("0.0.0.0", "0.0.0.0:9000", "127.0.0.1"),  # noqa: S104
        ("10.0.0.9", "10.0.0.9:9000", "10.0.0.9"),
        ("fd00::9", "[fd00::9]:9000", "fd00::9"),
    ],
)
def test_it_is_told_and_asked_at_its_address(address: str, bind: str, asked: str) -> None:
    told = listening(api("a", health=Health(port=8080, path="/")), Publication(9000, address))
    assert told.env == {"BIND": bind}
    assert told.args == ("--host", address, "--port", "9000")
    assert told.health == Health(port=9000, path="/", address=asked)


def test_another_port_is_asked_where_it_was() -> None:
    health = Health(port=9090, path="/")
    assert listening(api("a", health=health), Publication(9000, "127.0.0.1")).health == health
