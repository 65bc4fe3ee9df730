"""LiteLLM: one address with one key in front of all models of the stack, on whatever hosts they are."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.interface import Interface
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, Demand, KnownModel, Plan, PlannedService
from stackgen.domain.stack import Service
from stackgen.engines.litellm.options import LitellmOptions
from stackgen.engines.litellm.routes import ROLE

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload

_TASKS: Final = ("chat", "embeddings", "rerank", "transcription")


class Litellm:
    name: Final = "litellm"
    summary: Final = "LiteLLM, one address and one key in front of the models of all hosts"
    volume_roles: Final[Mapping[str, Role]] = {}
    use_roles: Final = {
        ROLE: Role(
            description="what it offers: a service with all its models, or service/model",
            required=True,
            many=True,
            fillers=_TASKS,
        )
    }
    offers: Final = frozenset({*_TASKS, "tasks"})

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options`."""
        return defaults.parse(LitellmOptions, service.options, (*path, "options"))

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """There are no models of its own."""
        return defaults.no_models(self.name, path)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of nothing."""
        return LitellmOptions.model_json_schema(), defaults.NoOptions.model_json_schema()

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """What it has wrong whatever is behind it."""
        from stackgen.engines.litellm import rules

        return rules.alone(service)

    def connections(self, service: PlannedService, plan: Plan) -> Iterable[Diagnostic]:
        """Names, fallbacks and limits that do not go with what is behind it."""
        from stackgen.engines.litellm import rules

        others = {
            name: offered
            for name, offered in plan.interfaces.items()
            if plan.stack.services[name].engine != self.name
        }
        return rules.run(rules.case(service.linked, others, plan.stack))

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """No GPU memory."""
        return Demand(residents=())

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """None."""
        return ()

    def interface(self, service: PlannedService) -> Interface:
        """The gateway without what is behind it."""
        return self.gateway(service, {})

    def gateway(self, service: PlannedService, others: Mapping[str, Interface]) -> Interface:
        """The OpenAI API with every model behind it."""
        from stackgen.engines.litellm.interface import interface

        return interface(service.linked, others)

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image with a config.yaml."""
        from stackgen.engines.litellm.lower import workload

        return workload(service, plan)


ENGINE: Final[Engine] = Litellm()
