"""What two parts of a stack cannot both have, and what nothing uses."""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Final

from stackgen.domain.contracts import Publishes
from stackgen.domain.diagnostic import Diagnostic, YamlPath, error, warning
from stackgen.domain.linked import Publication
from stackgen.domain.stack import Stack
from stackgen.spec.names import Scope
from stackgen.spec.services import Options, publication

UNUSED: Final = frozenset({"link/unused-model", "link/unused-volume", "link/unused-host"})
_KUBERNETES: Final = "kubernetes"
_EVERYWHERE: Final = frozenset({"secrets", "hub_token", "nixos_modules"})
"""Keys of `deploy` that others than a cluster have a use for."""


def check(scope: Scope, options: Mapping[str, Options]) -> Iterator[Diagnostic]:
    """Ports and host names that are taken, then what is unused."""
    stack = scope.stack
    yield from _ports(scope, options)
    yield from _hostnames(stack)
    yield from _unused(stack)
    yield from _unread(stack)


def _ports(scope: Scope, options: Mapping[str, Options]) -> Iterator[Diagnostic]:
    taken: dict[str, list[tuple[YamlPath, Publication]]] = {}
    for name, service in scope.stack.services.items():
        others = taken.setdefault(service.host, [])
        for path, wanted in _publications(scope, options, name):
            for place, had in others:
                other = str(place[1])
                if had.collides(wanted) and not _take_turns(scope.stack, name, other):
                    message = f"`{other}` has port {wanted.port} of `{service.host}` already"
                    related = ((place, "the other one"),)
                    yield error("link/duplicate-port", path, message, related=related)
            others.append((path, wanted))


def _publications(
    scope: Scope, options: Mapping[str, Options], name: str
) -> Iterator[tuple[YamlPath, Publication]]:
    """Every port of its host that a service publishes, and where it says so."""
    service = scope.stack.services[name]
    if (own := publication(service.publish)) is None:
        return
    yield ("services", name, "publish"), own
    if name not in options or (value := options[name].value) is None:
        return
    if isinstance(engine := scope.engines[service.engine], Publishes):
        for option, found in engine.publications(value, own).items():
            yield ("services", name, "options", option), found


def _take_turns(stack: Stack, one: str, other: str) -> bool:
    return one != other and any({one, other} <= set(group) for group in stack.exclusive)


def _hostnames(stack: Stack) -> Iterator[Diagnostic]:
    first: dict[str, YamlPath] = {}
    for name, service in stack.services.items():
        if service.expose is None:
            continue
        path: YamlPath = ("services", name, "expose", "hostname")
        hostname = service.expose.hostname
        if first.setdefault(hostname, path) != path:
            message = f"`{hostname}` leads to `{first[hostname][1]}` already"
            yield error(
                "link/duplicate-hostname", path, message, related=((first[hostname], "the other one"),)
            )


def _unused(stack: Stack) -> Iterator[Diagnostic]:
    services = stack.services.values()
    # A model can be named in options as well, as a draft is.
    words = {w for s in services for w in _words([s.options, s.models])}
    hosts = {host for s in services for host in (s.host, *s.workers)}
    volumes = {v for s in services for v in s.volumes.values()}
    yield from _not_in("link/unused-model", "model", stack.models, words)
    yield from _not_in("link/unused-volume", "volume", stack.volumes, volumes)
    yield from _not_in("link/unused-host", "host", stack.hosts, hosts)


def _unread(stack: Stack) -> Iterator[Diagnostic]:
    """What is written for a cluster, and no cluster will read."""
    clusters = {name for name, host in stack.hosts.items() if host.platform == _KUBERNETES}
    for name, host in stack.hosts.items():
        for key in sorted(host.model_fields_set & {"node", "gpu_sharing"}):
            if name not in clusters:
                yield _for_clusters(("hosts", name, key), f"`{name}` is no node of one")
    if clusters:
        return
    for key in sorted(stack.deploy.model_fields_set - _EVERYWHERE):
        yield _for_clusters(("deploy", key), "no host has `platform: kubernetes`")
    for name, volume in stack.volumes.items():
        if volume.storage_class is not None:
            yield _for_clusters(("volumes", name, "storage_class"), "no host has `platform: kubernetes`")


def _for_clusters(path: YamlPath, why: str) -> Diagnostic:
    message = f"`{path[-1]}` is for Kubernetes, and {why}"
    return warning("link/unread-option", path, message, "leave it out", at_key=True)


def _not_in(kind: str, what: str, names: Iterable[str], used: Container[str]) -> Iterator[Diagnostic]:
    for name in names:
        if name not in used:
            yield warning(kind, (f"{what}s", name), f"no service uses the {what} `{name}`", at_key=True)


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _words(item)
