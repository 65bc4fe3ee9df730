"""Caddy: the reverse proxy that answers for the host names of other services."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Role
from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.engine_base import WithoutModels
from stackgen.domain.interface import Interface, Proxy
from stackgen.domain.linked import LinkedService, Publication
from stackgen.domain.plan import KnownModel, Plan, PlannedService
from stackgen.domain.stack import Strict
from stackgen.domain.values import Duration
from stackgen.domain.wording import Form

if TYPE_CHECKING:
    from stackgen.domain.document import Directive
    from stackgen.domain.fronts import Front
    from stackgen.domain.workload import Port, Workload

IMAGE: Final = "docker.io/library/caddy:2.10.2-alpine"
HTTP: Final = 8080
HTTPS: Final = 8443
HEALTH: Final = 9080
"""Ports above 1024, which need no capability to listen on."""
CADDYFILE: Final = PurePosixPath("/etc/caddy/Caddyfile")


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError(f"{text!r} is no IP range such as 192.168.0.0/16") from None


class CaddyOptions(Strict):
    """How people reach the services behind it."""

    tls: Literal["internal", "acme", "none"] = Field(
        default="internal",
        description="certificates: of an authority of its own, which devices must be told to trust; of Let's "
        "Encrypt, for names that the internet knows; or none, behind another proxy",
    )
    email: (
        Annotated[str, Field(pattern=r"^[^@\s{}]+@[^@\s{}]+$"), Form("an address such as me@example.org")]
        | None
    ) = Field(default=None, description="address for the account with tls: acme")
    http_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="port on the host, usually 80, where http:// leads people to https://"
    )
    hsts: Duration | None = Field(
        default=None,
        description="how long browsers refuse http:// for these names; at home, a lost certificate then shuts "
        "people out",
    )
    trusted_proxies: list[
        Annotated[str, AfterValidator(_network), Form("an IP range such as 192.168.0.0/16")]
    ] = Field(
        default=[], description="addresses of proxies in front of it, whose X-Forwarded headers are kept"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "CaddyOptions":
        if self.email is not None and self.tls != "acme":
            raise ValueError("`email` is for `tls: acme`")
        if self.tls == "none" and (self.http_port or self.hsts):
            raise ValueError("without TLS there is nothing that `http_port` and `hsts` could lead to")
        return self


class _Caddy(WithoutModels):
    name = "caddy"
    summary = "Caddy, a reverse proxy for the host names under `expose`"
    settings = CaddyOptions
    volume_roles = {"data": Role(description="certificates, and the authority that signs them")}
    use_roles = {
        "hosts": Role(
            description="services whose `expose` it answers for; all that have one unless told",
            many=True,
            anyone=True,
        )
    }

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """Doors that nobody can reach, and certificates that are lost."""
        yield from _reach(service)
        yield from _certificates(service)
        if service.gpus:
            yield error(
                "caddy/gpu", (*service.path, "gpus"), "Caddy has no use for a GPU", "leave `gpus` out"
            )

    def interface(self, service: PlannedService) -> Interface:
        """The host names for which it answers."""
        options: CaddyOptions = service.linked.options
        named = frozenset(reference.service for reference in service.linked.uses.get("hosts", ()))
        # Whoever is in front of it has certificates, and listens where nobody here can know.
        elsewhere = bool(options.trusted_proxies)
        scheme: Literal["http", "https"] = "http" if options.tls == "none" and not elsewhere else "https"
        publish = service.linked.publish
        usual = {"http": 80, "https": 443}[scheme]
        port = None if elsewhere or publish is None or publish.port == usual else publish.port
        own = options.tls == "internal"
        return Interface(proxy=Proxy(services=named or None, scheme=scheme, port=port, own_authority=own))

    def publications(self, options: CaddyOptions, publish: Publication) -> Mapping[str, Publication]:
        """The port of http://."""
        return {"http_port": Publication(options.http_port, publish.address)} if options.http_port else {}

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image with our Caddyfile, and nothing else that it could be told by."""
        from stackgen.domain.document import Format
        from stackgen.domain.workload import ConfigFile, Health, Workload

        linked = service.linked
        options: CaddyOptions = linked.options
        own = {name: front for name, front in sorted(plan.fronts.items()) if front.proxy == linked.name}
        return Workload(
            name=linked.name,
            engine=self.name,
            image=linked.image or IMAGE,
            program="caddy",
            entrypoint=("caddy",),
            args=("run", "--config", str(CADDYFILE), "--adapter", "caddyfile"),
            # As the image says, for those who run the program without it.
            env=defaults.environment(linked, {"XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/config"}),
            config_files=(
                ConfigFile(
                    name=CADDYFILE.name,
                    target=CADDYFILE,
                    format=Format.CADDYFILE,
                    body=caddyfile(options, own),
                ),
            ),
            mounts=defaults.mounts(linked, {"data": PurePosixPath("/data")}),
            ports=tuple(self._ports(options, linked.publish)),
            health=Health(port=HEALTH, path="/health", start_period=30, tool="wget"),
            expose=linked.expose,
            writable=(PurePosixPath("/config"), PurePosixPath("/data")),
            # Its executable has this capability in the image, and does not even start when it cannot have it.
            capabilities=("NET_BIND_SERVICE",),
        )

    def _ports(self, options: CaddyOptions, publish: Publication | None) -> "Iterator[Port]":
        from stackgen.domain.workload import Port

        if options.tls == "none":
            yield Port(name="http", number=HTTP, publish=publish)
        else:
            redirect = self.publications(options, publish).get("http_port") if publish else None
            yield Port(name="https", number=HTTPS, publish=publish)
            yield Port(name="http", number=HTTP, publish=redirect)
        yield Port(name="health", number=HEALTH)


def caddyfile(options: CaddyOptions, fronts: "Mapping[str, Front]") -> "tuple[Directive, ...]":
    """The global options, a page for health checks, and a site for each host name, by service."""
    from stackgen.domain.document import Directive

    return (
        Directive((), tuple(_globals(options))),
        Directive((f"http://:{HEALTH}",), (Directive(("respond", "/health", "200")),)),
        *(_site(service, front, options) for service, front in fronts.items()),
    )


def _globals(options: CaddyOptions) -> "Iterator[Directive]":
    from stackgen.domain.document import Directive

    yield Directive(("admin", "off"))
    yield Directive(("http_port", str(HTTP)))
    yield Directive(("https_port", str(HTTPS)))
    if options.tls == "internal":
        yield Directive(("local_certs",))
        yield Directive(("skip_install_trust",))
    if options.email:
        yield Directive(("email", options.email))
    # HTTP/3 is UDP, and only TCP ports are published: browsers would try it in vain.
    yield Directive(("servers",), (Directive(("protocols", "h1", "h2")),))


def _site(service: str, front: "Front", options: CaddyOptions) -> "Directive":
    from stackgen.domain.document import Directive
    from stackgen.domain.workload import ServiceUrl

    scheme = "http://" if options.tls == "none" else ""
    header = ("header", "Strict-Transport-Security", f"max-age={options.hsts}")
    # Caddy buffers neither uploads nor answers; at -1 it holds back nothing of an answer at all.
    proxy = [Directive(("flush_interval", "-1"))]
    if options.trusted_proxies:
        proxy.append(Directive(("trusted_proxies", *options.trusted_proxies)))
    if timeout := front.exposure.timeout:
        limits = (Directive((name, f"{timeout}s")) for name in ("response_header_timeout", "read_timeout"))
        proxy.append(Directive(("transport", "http"), tuple(limits)))
    return Directive(
        (f"{scheme}{front.exposure.hostname}",),
        (
            *([Directive(header)] if options.hsts else []),
            Directive(("reverse_proxy", ServiceUrl(service=service)), tuple(proxy)),
        ),
    )


def _reach(service: LinkedService) -> Iterator[Diagnostic]:
    options: CaddyOptions = service.options
    if service.publish is None or (service.publish.loopback and options.tls != "none"):
        usual = 80 if options.tls == "none" else 443
        yield warning(
            "caddy/not-reachable",
            (*service.path, "publish") if service.publish else service.path,
            "nothing outside its own host can reach the host names that it answers for",
            f"publish: {{port: {usual}, address: 0.0.0.0}}",
        )


def _certificates(service: LinkedService) -> Iterator[Diagnostic]:
    options: CaddyOptions = service.options
    if options.tls != "none" and "data" not in service.volumes:
        lost = {
            "internal": "each new container makes an authority of its own, which no device trusts",
            "acme": "each new container asks for all certificates again, until Let's Encrypt refuses",
        }[options.tls]
        yield warning("caddy/no-data", service.path, lost, "volumes: {data: <a name under volumes>}")
    ports = {options.http_port, service.publish.port if service.publish else None}
    if options.tls == "acme" and service.publish and not {80, 443} & ports:
        yield error(
            "caddy/acme-port",
            (*service.path, "publish"),
            "Let's Encrypt asks at port 443 or 80 and nowhere else",
            "publish: {port: 443, address: 0.0.0.0}",
        )


ENGINE: Final[Engine] = _Caddy()
