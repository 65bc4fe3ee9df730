"""The services of a stack: engine, host, GPUs, image, options, models, volumes and environment."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from stackgen.domain.bounds import CpuBounds, RamBounds
from stackgen.domain.contracts import Engine
from stackgen.domain.diagnostic import Diagnostic, YamlPath, did_you_mean, error, nearest
from stackgen.domain.linked import (
    Bounds,
    Exposure,
    LinkedHost,
    LinkedModel,
    LinkedService,
    LinkedUse,
    Publication,
    SecretKey,
)
from stackgen.domain.stack import Declared, Publish, SecretValue, Service
from stackgen.domain.wording import shown, subject
from stackgen.spec import environment, images
from stackgen.spec.names import Scope, reference, unknown

_ENOUGH: Final = 5
"""Letters at the beginning of a name that tell what was meant."""


class Options(NamedTuple):
    """What the engine of a service made of its `options` and of its entries under `models`."""

    value: Any
    models: Mapping[str, Any]
    diagnostics: tuple[Diagnostic, ...]


def read_options(scope: Scope) -> dict[str, Options]:
    """The options of every service whose engine exists."""
    return {
        name: _read(scope.engines[service.engine], service, ("services", name))
        for name, service in scope.stack.services.items()
        if service.engine in scope.engines
    }


def _read(engine: Engine, service: Service, path: YamlPath) -> Options:
    own = engine.options(service, path)
    # Entries are read even if the options are wrong, to tell of all mistakes in their shape at once.
    base = own if own.value is not None else engine.options(service.model_copy(update={"options": {}}), path)
    found, models = list(own.diagnostics), {}
    for name, entry in service.models.items() if base.value is not None else ():
        rest = {key: value for key, value in entry.items() if key != "model"}
        parsed = engine.use_options(rest, service, base.value, (*path, "models", name))
        models[name] = parsed.value
        found += (d for d in parsed.diagnostics if base is own or d.kind.startswith("spec/"))
    return Options(value=own.value, models=models, diagnostics=tuple(found))


def check(scope: Scope, options: Mapping[str, Options]) -> Iterator[Diagnostic]:
    """What is wrong with the services, each on its own."""
    for name, service in scope.stack.services.items():
        path: YamlPath = ("services", name)
        yield from _check_host(scope, service, path)
        yield from _check_workers(scope, service, path)
        if service.engine in scope.engines:
            yield from options[name].diagnostics
            yield from _check_volumes(scope, scope.engines[service.engine], service, path)
        else:
            yield _unknown_engine(scope, service.engine, (*path, "engine"))
        if service.image is not None:
            yield from images.check(service.image, (*path, "image"))
        yield from environment.check(service, path)
        for use, entry in service.models.items():
            yield from _check_use(scope, entry, (*path, "models", use))


def _unknown_engine(scope: Scope, name: str, path: YamlPath) -> Diagnostic:
    """llama.cpp is the name of a project, `llama-server` that of its program; people write either."""
    start = re.match(r"[a-z]*", name.lower())[0]  # type: ignore[index]
    begins = [
        engine for engine in scope.engines if len(start) >= _ENOUGH and engine.startswith(start[:_ENOUGH])
    ]
    hint = f"did you mean `{begins[0]}`?" if len(begins) == 1 else None
    return unknown("link/unknown-engine", "engine", path, name, scope.engines, hint)


def _check_host(scope: Scope, service: Service, path: YamlPath) -> Iterator[Diagnostic]:
    host = scope.stack.hosts.get(service.host)
    if host is None:
        yield unknown("link/unknown-host", "host", (*path, "host"), service.host, scope.stack.hosts)
    for position, index in enumerate(service.gpus):
        place = (*path, "gpus", position)
        if index in service.gpus[:position]:
            yield error("link/gpu-twice", place, f"GPU {index} is named twice")
        elif host is not None and index >= len(host.gpus):
            hint = f"{_indexes(len(host.gpus))} in `hosts.{service.host}.gpus`"
            yield error("link/gpu-index", place, f"`{service.host}` has no GPU {index}", hint)


def _check_workers(scope: Scope, service: Service, path: YamlPath) -> Iterator[Diagnostic]:
    lead = scope.stack.hosts.get(service.host)
    for position, name in enumerate(service.workers):
        place = (*path, "workers", position)
        host = scope.stack.hosts.get(name)
        if host is None:
            yield unknown("link/unknown-host", "host", place, name, scope.stack.hosts)
        elif name == service.host or name in service.workers[:position]:
            yield error("link/named-twice", place, f"a part of it runs on `{name}` already")
        elif lead is not None and host.platform != lead.platform:
            message = f"`{name}` is of the platform {host.platform}, and `{service.host}` of {lead.platform}"
            yield error("link/worker-platform", place, message, "a service runs on hosts of one platform")
        elif missing := [index for index in service.gpus if index >= len(host.gpus)]:
            hint = f"{_indexes(len(host.gpus))} in `hosts.{name}.gpus`"
            yield error("link/gpu-index", place, f"`{name}` has no GPU {missing[0]}", hint)


def _indexes(count: int) -> str:
    """Which GPUs a host has, to be followed by where they are listed."""
    match count:
        case 0:
            return "none is listed"
        case 1:
            return "only GPU 0 is listed"
        case _:
            return f"GPUs 0 {'and' if count == 2 else 'to'} {count - 1} are listed"


def _check_use(scope: Scope, entry: Mapping[str, Any], path: YamlPath) -> Iterator[Diagnostic]:
    models = scope.stack.models
    if "model" not in entry:
        near = nearest(str(path[-1]), models)
        hint = f"such as `model: {near}`" if near else "it is a name under `models`"
        yield error("spec/missing-key", (*path, "model"), f"`model` is missing in {subject(path)}", hint)
    elif not isinstance(name := entry["model"], str):
        message = f"`model` must be a name under `models`, got {shown(name)}"
        yield error("spec/type", (*path, "model"), message)
    elif name not in models:
        yield unknown("link/unknown-model", "model", (*path, "model"), name, models)


def _check_volumes(scope: Scope, engine: Engine, service: Service, path: YamlPath) -> Iterator[Diagnostic]:
    roles, place = engine.volume_roles, (*path, "volumes")
    for role, volume in service.volumes.items():
        if roles is None and not role.startswith("/"):
            message = f"`{role}` must be a folder inside the container"
            yield error("link/unknown-role", (*place, role), message, f"such as /{role}", at_key=True)
        elif roles is not None and role not in roles:
            message = f"`{service.engine}` has no volume `{role}`"
            hint = did_you_mean(role, roles) or _listed(roles)
            yield error("link/unknown-role", (*place, role), message, hint, at_key=True)
        if volume not in scope.stack.volumes:
            add = f"add it: volumes: {{NAME: {{path: {volume}}}}}" if "/" in volume else None
            yield unknown("link/unknown-volume", "volume", (*place, role), volume, scope.stack.volumes, add)
    for role, about in (roles or {}).items():
        if about.required and role not in service.volumes:
            message = f"`{service.engine}` needs the volume `{role}`: {about.description}"
            yield error("link/missing-role", (*place, role), message, f"volumes: {{{role}: NAME}}")


def _listed(roles: Mapping[str, object]) -> str:
    return f"there are: {', '.join(roles)}" if roles else "it keeps nothing, so remove this"


def build(
    scope: Scope,
    options: Mapping[str, Options],
    hosts: Mapping[str, LinkedHost],
    models: Mapping[str, LinkedModel],
) -> dict[str, LinkedService]:
    """The services, when nothing is wrong with them."""
    return {
        name: _link(name, service, options[name], hosts, models)
        for name, service in scope.stack.services.items()
    }


def _link(
    name: str,
    service: Service,
    options: Options,
    hosts: Mapping[str, LinkedHost],
    models: Mapping[str, LinkedModel],
) -> LinkedService:
    host = hosts[service.host]
    return LinkedService(
        name=name,
        engine=service.engine,
        host=host,
        gpus=tuple(host.gpus[index] for index in service.gpus),
        image=service.image,
        options=options.value,
        models=tuple(
            LinkedUse(id=use, service=name, model=models[entry["model"]], options=options.models[use])
            for use, entry in service.models.items()
        ),
        uses={
            role: tuple(map(reference, [value] if isinstance(value, str) else value))
            for role, value in service.uses.items()
        },
        publish=publication(service.publish),
        expose=Exposure(hostname=e.hostname, timeout=e.timeout) if (e := service.expose) else None,
        volumes=service.volumes,
        env={key: _variable(value) for key, value in service.env.items()},
        declared=_declared(service.vram),
        ram=bounds(service.ram),
        cpus=bounds(service.cpus),
        user=service.user,
        workers=tuple(hosts[worker] for worker in service.workers),
    )


def bounds(written: int | CpuBounds | RamBounds | None) -> Bounds:
    """The short form is the limit."""
    if written is None or isinstance(written, int):
        return Bounds(limit=written)
    return Bounds(written.request, written.limit)


def publication(written: int | Publish | None) -> Publication | None:
    """The port on the host; only the host itself can connect unless an address is given."""
    publish = Publish(port=written) if isinstance(written, int) else written
    return None if publish is None else Publication(port=publish.port, address=publish.address)


def _variable(value: object) -> str | SecretKey:
    if isinstance(value, SecretValue):
        return SecretKey(value.secret.name, value.secret.key)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _declared(vram: Declared | None) -> tuple[int, int] | None:
    return None if vram is None else (vram.low, vram.high)
