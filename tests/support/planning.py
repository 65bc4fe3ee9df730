"""Small linked stacks and an engine of known sizes, to test planning without any real engine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stackgen.domain.contracts import Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.footprint import Basis, Memory, Term, TermName
from stackgen.domain.hosts import Host
from stackgen.domain.interface import Interface
from stackgen.domain.linked import (
    LinkedGpu,
    LinkedHost,
    LinkedModel,
    LinkedScenario,
    LinkedService,
    LinkedStack,
    LinkedUse,
    ModelRequest,
    Reference,
)
from stackgen.domain.plan import Alternative, Demand, KnownModel, Limit, Plan, PlannedService, Resident
from stackgen.domain.stack import Service, Stack
from stackgen.domain.units import GIB
from stackgen.domain.workload import Workload


def interval(low: int, high: int) -> Memory:
    """One weights term between two sizes in GiB."""
    term = Term(
        name=TermName.WEIGHTS,
        low=low * GIB,
        best=low * GIB,
        high=high * GIB,
        basis=Basis.EXACT,
        formula="given",
    )
    return Memory((term,))


@dataclass(frozen=True)
class SizedEngine:
    """Its models take what their options say: `{"gpus": {index: GiB}, "ram": GiB, "pinned": bool}`.

    Of a model without `gpus` nothing is known.
    """

    name: str = "sized"
    summary: str = "for tests"
    volume_roles: Mapping[str, Role] | None = field(
        default_factory=lambda: {"models": Role(description="weights")}
    )
    use_roles: Mapping[str, Role] = field(default_factory=dict)
    offers: frozenset[str] = frozenset()

    def options(self, service: Service, path: YamlPath) -> Parsed:
        return Parsed(service.options)

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        return Parsed(dict(entry))

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {}

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        return ()

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        return Demand(
            residents=tuple(
                Resident(
                    service=service.name,
                    use=use.id,
                    gpus={i: interval(size, size) for i, size in use.options["gpus"].items()},
                    host=interval(ram, ram) if (ram := use.options.get("ram", 0)) else Memory(),
                    pinned=use.options.get("pinned", False),
                )
                for use in service.models
                if "gpus" in use.options
            ),
            limit=service.options["limit"],
            unknown=any("gpus" not in use.options for use in service.models),
        )

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """Each of the sizes in `steps` is one change, dearer and smaller from one to the next."""
        for cost, size in enumerate(use.options.get("steps", ()), 1):
            smaller = use._replace(options=use.options | {"gpus": dict.fromkeys(use.options["gpus"], size)})
            models = tuple(smaller if u.id == use.id else u for u in service.models)
            changed = replace(service, models=models)
            yield Alternative(f"size: {size}", cost, changed, knob="size", setting=str(size), price="smaller")

    def interface(self, service: PlannedService) -> Interface:
        return Interface()

    def lower(self, service: PlannedService, plan: Plan) -> Workload:
        return Workload(name=service.linked.name, engine=self.name, image="none", program="none")


def host(name: str = "box", gpus: int = 2, capacity: int = 24, ram: int | None = None) -> LinkedHost:
    """A host with equal GPUs; sizes in GiB."""
    cards = tuple(LinkedGpu(index=i, model="card", capacity=capacity * GIB) for i in range(gpus))
    return LinkedHost(name=name, platform="compose", gpus=cards, ram=None if ram is None else ram * GIB)


def service(
    name: str,
    on: LinkedHost,
    models: dict[str, dict[str, Any]],
    *,
    limit: int | Limit = Limit.AUTO,
    **rest: Any,
) -> LinkedService:
    """A service of the sized engine with these models."""
    uses = tuple(
        LinkedUse(
            id=key,
            service=name,
            model=LinkedModel(name=key, request=ModelRequest(path=f"/{key}.gguf")),
            options=options,
        )
        for key, options in models.items()
    )
    return LinkedService(
        name=name,
        engine="sized",
        host=on,
        gpus=on.gpus,
        image=None,
        options={"limit": limit},
        models=uses,
        **rest,
    )


def stack(
    hosts: Iterable[LinkedHost],
    services: Iterable[LinkedService],
    *,
    exclusive: Iterable[Iterable[str]] = (),
    scenarios: Mapping[str, tuple[tuple[str, ...], str]] | None = None,
    headroom: int = 0,
    **rest: Any,
) -> LinkedStack:
    """A linked stack; headroom in GiB, scenarios as {name: (loaded, expected)}."""
    listed = tuple(services)
    outer = Stack(version=1, name="test", hosts={"box": Host(platform="compose")})
    return LinkedStack(
        name="test",
        hosts={h.name: h for h in hosts},
        models={u.model.name: u.model for s in listed for u in s.models},
        services={s.name: s for s in listed},
        volumes=rest.pop("volumes", {}),
        exclusive=tuple(frozenset(g) for g in exclusive),
        scenarios=tuple(
            LinkedScenario(name=name, loaded=tuple(_reference(r) for r in loaded), expected=expected)
            for name, (loaded, expected) in (scenarios or {}).items()
        ),
        headroom=headroom * GIB,
        stack=outer,
        **rest,
    )


def _reference(text: str) -> Reference:
    name, _, use = text.partition("/")
    return Reference(name, use or None)


def known(linked: LinkedStack) -> dict[str, KnownModel]:
    """Nothing is known of any model: the sized engine does not ask."""
    return {
        name: KnownModel(request=model.request, facts=None, basis=Basis.DECLARED)
        for name, model in linked.models.items()
    }
