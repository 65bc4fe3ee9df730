"""LiteLLM: one address with one key in front of all models of the stack, on whatever hosts they are."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from stackgen.domain.contracts import Engine, Role
from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.engine_base import WithoutModels
from stackgen.domain.interface import Interface
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel, Plan, PlannedService
from stackgen.engines.litellm.options import LitellmOptions
from stackgen.engines.litellm.routes import ROLE

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload

_TASKS: Final = ("chat", "embeddings", "rerank", "transcription")


class Litellm(WithoutModels):
    name = "litellm"
    summary = "LiteLLM, one address and one key in front of the models of all hosts"
    settings = LitellmOptions
    use_roles = {
        ROLE: Role(
            description="what it offers: a service with all its models, or service/model",
            required=True,
            many=True,
            fillers=_TASKS,
        )
    }
    offers = frozenset({*_TASKS, "tasks"})

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """What it has wrong whatever is behind it."""
        from stackgen.engines.litellm import rules

        return rules.alone(service)

    def connections(self, service: PlannedService, plan: Plan) -> Iterable[Diagnostic]:
        """Names, fallbacks and limits that do not go with what is behind it."""
        from stackgen.engines.litellm import rules
        from stackgen.engines.litellm.case import case

        others = {
            name: offered
            for name, offered in plan.interfaces.items()
            if plan.stack.services[name].engine != self.name
        }
        return rules.run(case(service.linked, others, plan.stack))

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
