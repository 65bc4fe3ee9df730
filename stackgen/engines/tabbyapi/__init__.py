"""TabbyAPI: ExLlama behind the OpenAI API, one model at a time, over GPUs of different sizes."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from stackgen.domain.contracts import Engine, Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.interface import Interface
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, Demand, KnownModel, Plan, PlannedService
from stackgen.domain.stack import Service
from stackgen.engines.tabbyapi import rules
from stackgen.engines.tabbyapi.demand import demand
from stackgen.engines.tabbyapi.keys import ModelKeys, ServiceKeys
from stackgen.engines.tabbyapi.options import read_service, read_use

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload


class _TabbyApi:
    name: Final = "tabbyapi"
    summary: Final = "TabbyAPI, which serves EXL3 weights with ExLlamaV3"
    volume_roles: Final = {"models": Role(description="weights, mounted read-only at /models")}
    use_roles: Final[Mapping[str, Role]] = {}
    offers: Final = frozenset({"chat", "tasks", "embeddings"})

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options`."""
        return read_service(service, path)

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """Check one entry of `models`: the same keys as those of `options` that concern a model."""
        return read_use(entry, path)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of one entry of `models`."""
        return ServiceKeys.model_json_schema(), ModelKeys.model_json_schema()

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """What would be refused, ignored, or otherwise than meant."""
        return rules.run(service, known)

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """One resident per model, of which one is loaded at a time."""
        return demand(service, known)

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """Smaller ways to serve one model."""
        from stackgen.engines.tabbyapi.alternatives import alternatives

        return alternatives(service, use, known)

    def interface(self, service: PlannedService) -> Interface:
        """The OpenAI API for the model that is loaded."""
        from stackgen.engines.tabbyapi.interface import interface

        return interface(service)

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The server with its config.yml."""
        from stackgen.engines.tabbyapi.lower import workload

        return workload(service, plan)


ENGINE: Final[Engine] = _TabbyApi()
