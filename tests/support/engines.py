"""Services of one engine, linked by hand from the YAML that people write, to test engines on their own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from stackgen.domain.contracts import Engine
from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.linked import (
    Exposure,
    LinkedModel,
    LinkedService,
    LinkedUse,
    ModelRequest,
    Publication,
    Reference,
    SecretKey,
)
from stackgen.domain.plan import KnownModel, Plan, PlannedService, Verdict
from stackgen.domain.stack import Declared, Publish, SecretValue, Service
from stackgen.domain.workload import Workload
from stackgen.facts.known import from_catalog
from stackgen.spec.services import bounds
from tests.support.planning import host as planning_host
from tests.support.planning import stack

BOX = planning_host("box", gpus=2)


def service(engine: Engine, text: str = "", *, name: str = "it", **changes: Any) -> LinkedService:
    """A service whose YAML (without engine and host) is `text`.

    Its options must be valid. An entry of `models` may carry `hf` and `vram` of its model.
    """
    data = yaml.safe_load(text) or {}
    weights = {
        key: (entry.pop("hf", "o/r"), entry.pop("vram", None))
        for key, entry in data.get("models", {}).items()
    }
    raw = Service.model_validate({"engine": engine.name, "host": "box", **data})
    path = ("services", name)
    options = engine.options(raw, path)
    assert not options.diagnostics, options.diagnostics
    uses = []
    for key, entry in raw.models.items():
        rest = {k: v for k, v in entry.items() if k != "model"}
        parsed = engine.use_options(rest, raw, options.value, (*path, "models", key))
        assert not parsed.diagnostics, parsed.diagnostics
        model = _model(entry["model"], *weights[key])
        uses.append(LinkedUse(id=key, service=name, model=model, options=parsed.value))
    linked = LinkedService(
        name=name,
        engine=engine.name,
        host=BOX,
        gpus=tuple(BOX.gpus[i] for i in raw.gpus),
        image=raw.image,
        options=options.value,
        models=tuple(uses),
        uses={role: _references(value) for role, value in raw.uses.items()},
        publish=_publication(raw.publish),
        expose=Exposure(hostname=raw.expose.hostname, timeout=raw.expose.timeout) if raw.expose else None,
        volumes=raw.volumes,
        env={k: _value(v) for k, v in raw.env.items()},
        declared=_size(data.get("vram")),
        ram=bounds(raw.ram),
        cpus=bounds(raw.cpus),
    )
    return replace(linked, **changes)


def _model(name: str, hf: str, vram: Mapping[str, Any] | None) -> LinkedModel:
    repo, _, quant = hf.partition(":")
    return LinkedModel(name=name, request=ModelRequest(repo=repo, quant=quant or None), declared=_size(vram))


def _references(value: str | list[str]) -> tuple[Reference, ...]:
    parts = [value] if isinstance(value, str) else value
    return tuple(Reference(s, use or None) for s, _, use in (text.partition("/") for text in parts))


def _size(data: Mapping[str, Any] | None) -> tuple[int, int] | None:
    if data is None:
        return None
    size = Declared.model_validate(data)
    return size.low, size.high


def _publication(value: int | Publish | None) -> Publication | None:
    if isinstance(value, int):
        return Publication(port=value, address="127.0.0.1")
    return Publication(port=value.port, address=value.address) if value else None


def _value(value: str | int | bool | SecretValue) -> str | SecretKey:
    return SecretKey(value.secret.name, value.secret.key) if isinstance(value, SecretValue) else str(value)


def known(linked: LinkedService) -> dict[str, KnownModel]:
    """What the built-in catalog knows of its models."""
    return {use.model.name: from_catalog(use.model) for use in linked.models}


def kinds(engine: Engine, linked: LinkedService) -> list[str]:
    """The kinds of everything that the engine finds wrong with a service."""
    return [found.kind for found in engine.check(linked, known(linked))]


def found(engine: Engine, linked: LinkedService, kind: str) -> Diagnostic:
    """The one finding of this kind."""
    (only,) = (d for d in engine.check(linked, known(linked)) if d.kind == kind)
    return only


def planned(engine: Engine, linked: LinkedService) -> PlannedService:
    """The service with as many models loaded as there are."""
    facts = known(linked)
    demand = engine.demand(linked, facts)
    return PlannedService(linked=linked, demand=demand, models_max=len(demand.residents), known=facts)


def lower(engine: Engine, linked: LinkedService, *others: LinkedService) -> Workload:
    """What the engine wants to run, beside some other services."""
    everything = stack([BOX], [linked, *others])
    return engine.lower(planned(engine, linked), Plan(stack=everything, verdict=Verdict.FITS))
