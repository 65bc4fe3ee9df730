"""Caddy: what its file says, which names it answers for, and what it warns of."""

from pathlib import Path
from typing import Any

import pytest

from stackgen import app, registry
from stackgen.domain.diagnostic import StackError
from stackgen.domain.fronts import Front
from stackgen.domain.linked import Exposure
from stackgen.domain.stack import Service
from stackgen.emit import caddyfile as emitter
from stackgen.engines.caddy import ENGINE, CaddyOptions, caddyfile
from tests.support import caddy
from tests.support.engines import found, kinds, planned, service

STACK = """
version: 1
name: home
hosts:
  box: {platform: PLATFORM, address: 192.168.1.2}
  small: {platform: PLATFORM, address: 192.168.1.3}
services:
  web:
    engine: caddy
    host: box
    publish: {port: 443, address: 0.0.0.0}
    options: {http_port: 80}
    volumes: {data: caddy}
  here:
    engine: program
    host: box
    image: example.org/here:1.0
    options: {port: 3000}
    expose: {hostname: here.lan, timeout: 30m}
  there:
    engine: program
    host: small
    image: example.org/there:1.0
    options: {port: 3000}
    publish: {port: 8000, address: 192.168.1.3}
    expose: {hostname: there.lan}
volumes:
  caddy: {managed: true}
"""


def rendered(text: str, folder: Path, target: str) -> tuple[dict[str, str], list[str]]:
    """The files of a stack by path, and the kinds of what was said about them."""
    (folder / "stack.yaml").write_text(text.replace("PLATFORM", target if target != "files" else "compose"))
    loaded = app.load(folder)
    output = app.render(app.plan(loaded.stack), loaded.source, [target])
    files = {str(path): file.text for path, file in output.files[target].items()}
    return files, [d.kind for d in output.diagnostics]


@pytest.mark.tool
@pytest.mark.parametrize("target", sorted({*registry.platforms(), "files"} & {"compose", "nixos", "files"}))
def test_every_target_hands_it_a_file_that_caddy_takes(target: str, tmp_path: Path) -> None:
    files, told = rendered(STACK, tmp_path, target)
    assert "render/expose-without-proxy" not in told
    (text,) = (text for path, text in files.items() if path.endswith("/Caddyfile"))
    caddy.validate(text, tmp_path)
    assert caddy.formatted(text, tmp_path) == text
    sites = {}
    for server in caddy.adapted(text, tmp_path)["apps"]["http"]["servers"].values():
        for route in server["routes"]:
            for name in route["match"][0].get("host", ()):
                sites[name] = route["handle"][0]["routes"][0]["handle"][0]
    assert sites.keys() == {"here.lan", "there.lan"}
    assert all(proxy["flush_interval"] == -1 for proxy in sites.values())
    upstreams = {name: proxy["upstreams"][0]["dial"] for name, proxy in sites.items()}
    # Programs that somebody starts by hand listen on their own ports.
    plain = {"here.lan": "127.0.0.1:3000", "there.lan": "192.168.1.3:3000"}
    assert upstreams == (
        plain if target == "files" else {"here.lan": "here:3000", "there.lan": "192.168.1.3:8000"}
    )
    half_an_hour = 30 * 60 * 10**9
    assert sites["here.lan"]["transport"]["response_header_timeout"] == half_an_hour
    assert "transport" not in sites["there.lan"]


def test_a_service_of_another_host_must_be_published(tmp_path: Path) -> None:
    closed = STACK.replace("    publish: {port: 8000, address: 192.168.1.3}\n", "")
    with pytest.raises(StackError) as caught:
        rendered(closed, tmp_path, "compose")
    assert [d.kind for d in caught.value.diagnostics] == ["render/unreachable"]


def test_only_what_it_is_told_to_answer_for(tmp_path: Path) -> None:
    chosen = STACK.replace(
        "    volumes: {data: caddy}\n", "    volumes: {data: caddy}\n    uses: {hosts: here}\n"
    )
    files, told = rendered(chosen, tmp_path, "compose")
    assert "there.lan" not in files["compose/box/web/Caddyfile"]
    assert told == ["render/expose-without-proxy"]


def options(**given: Any) -> CaddyOptions:
    raw = Service(engine="caddy", host="box", options=given)
    parsed = ENGINE.options(raw, ("services", "it"))
    assert not parsed.diagnostics, parsed.diagnostics
    assert isinstance(parsed.value, CaddyOptions)
    return parsed.value


def text(**given: Any) -> str:
    front = Front(exposure=Exposure(hostname="chat.lan", timeout=60))
    body = caddyfile(options(**given), {"chat": front})
    return emitter.dump(_named(body))


def _named(body: Any) -> Any:
    from stackgen.domain.reach import resolve

    return resolve(body, lambda url: f"http://{url.service}:1")


@pytest.mark.tool
@pytest.mark.parametrize(
    ("given", "has"),
    [
        ({}, ("local_certs", "skip_install_trust", "admin off")),
        ({"tls": "acme", "email": "me@example.org"}, ("email me@example.org",)),
        ({"tls": "none"}, ("http://chat.lan {",)),
        ({"tls": "none", "trusted_proxies": ["10.0.0.0/8"]}, ("trusted_proxies 10.0.0.0/8",)),
        ({"hsts": "365d"}, ("header Strict-Transport-Security max-age=31536000",)),
    ],
    ids=str,
)
def test_its_options_are_in_the_file(given: dict[str, Any], has: tuple[str, ...], tmp_path: Path) -> None:
    written = text(**given)
    caddy.validate(written, tmp_path)
    assert all(line in written for line in has)
    if "hsts" not in given:
        assert "Strict-Transport-Security" not in written
    if given.get("tls", "internal") != "internal":
        assert "local_certs" not in written


@pytest.mark.parametrize(
    "given",
    [
        {"email": "me@example.org"},
        {"tls": "none", "http_port": 80},
        {"tls": "none", "hsts": "1d"},
        {"trusted_proxies": ["somewhere"]},
        {"tls": "acme", "email": "a {b"},
    ],
    ids=str,
)
def test_options_that_contradict_each_other(given: dict[str, Any]) -> None:
    assert ENGINE.options(Service(engine="caddy", host="box", options=given), ("services", "it")).diagnostics


OPEN = "publish: {port: 443, address: 0.0.0.0}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f"{{{OPEN}, volumes: {{data: d}}}}", []),
        ("{publish: 8080, options: {tls: none}}", []),
        ("{volumes: {data: d}}", ["caddy/not-reachable"]),
        ("{publish: 443, volumes: {data: d}}", ["caddy/not-reachable"]),
        (f"{{{OPEN}}}", ["caddy/no-data"]),
        (
            "{publish: {port: 8443, address: 0.0.0.0}, options: {tls: acme}, volumes: {data: d}}",
            ["caddy/acme-port"],
        ),
        (f"{{{OPEN}, volumes: {{data: d}}, gpus: [0]}}", ["caddy/gpu"]),
    ],
)
def test_findings(written: str, expected: list[str]) -> None:
    assert kinds(ENGINE, service(ENGINE, written)) == expected


def test_what_is_lost_without_a_volume_depends_on_who_signs() -> None:
    lost = {
        tls: found(ENGINE, service(ENGINE, f"{{{OPEN}, options: {{tls: {tls}}}}}"), "caddy/no-data").message
        for tls in ("internal", "acme")
    }
    assert "authority" in lost["internal"]
    assert "Let's Encrypt" in lost["acme"]


@pytest.mark.parametrize(
    ("written", "scheme", "port"),
    [
        (f"{{{OPEN}}}", "https", None),
        ("{publish: {port: 8443, address: 0.0.0.0}}", "https", 8443),
        ("{publish: {port: 80, address: 0.0.0.0}, options: {tls: none}}", "http", None),
        ("{publish: 8080, options: {tls: none, trusted_proxies: [10.0.0.0/8]}}", "https", None),
    ],
)
def test_where_people_find_it(written: str, scheme: str, port: int | None) -> None:
    proxy = ENGINE.interface(planned(ENGINE, service(ENGINE, written))).proxy
    assert proxy is not None
    assert (proxy.scheme, proxy.port, proxy.services) == (scheme, port, None)
