"""Who answers for a host name."""

from dataclasses import replace

from stackgen.domain.fronts import fronts, url_of
from stackgen.domain.interface import Interface, Proxy
from stackgen.domain.linked import Exposure, LinkedHost, LinkedService

BOX, SMALL = LinkedHost(name="box", platform="compose"), LinkedHost(name="small", platform="compose")


def service(name: str, host: LinkedHost = BOX, hostname: str | None = None) -> LinkedService:
    exposure = Exposure(hostname=hostname) if hostname else None
    return LinkedService(
        name=name, engine="it", host=host, gpus=(), image=None, options=None, expose=exposure
    )


SERVICES = {s.name: s for s in (service("a"), service("b", SMALL), service("chat", SMALL, "chat.lan"))}
EVERYTHING = Interface(proxy=Proxy())


def by(interfaces: dict[str, Interface], **changes: object) -> str | None:
    return fronts(SERVICES, interfaces)["chat"].proxy


def test_nobody() -> None:
    assert fronts(SERVICES, {"a": Interface()}) == {}


def test_the_proxy_on_the_same_host_comes_before_the_first() -> None:
    assert by({"a": EVERYTHING}) == "a"
    assert by({"a": EVERYTHING, "b": EVERYTHING}) == "b"


def test_the_proxy_that_names_a_service_comes_before_all() -> None:
    assert by({"a": Interface(proxy=Proxy(services=frozenset({"chat"}))), "b": EVERYTHING}) == "a"
    assert fronts(SERVICES, {"a": Interface(proxy=Proxy(services=frozenset({"b"})))}) == {}


def test_a_proxy_does_not_answer_for_itself() -> None:
    own = {"a": replace(SERVICES["a"], expose=Exposure(hostname="web.lan"))}
    assert fronts(own, {"a": EVERYTHING}) == {}


def test_a_platform_that_routes_needs_no_proxy() -> None:
    front = fronts(SERVICES, {"a": EVERYTHING}, {"compose"})["chat"]
    assert front.proxy is None
    assert front.url == "https://chat.lan"
    assert fronts(SERVICES, {}, {"compose"}, "http")["chat"].url == "http://chat.lan"


def test_the_address_that_people_type() -> None:
    other = Interface(proxy=Proxy(scheme="http", port=8080))
    assert fronts(SERVICES, {"a": other})["chat"].url == "http://chat.lan:8080"


def test_a_proxy_that_nobody_knows() -> None:
    assert url_of(SERVICES["chat"], {}) == "https://chat.lan"
    assert url_of(SERVICES["a"], {}) is None
