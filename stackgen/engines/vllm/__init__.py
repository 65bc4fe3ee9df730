"""vLLM: one large model for many people at once, over several GPUs and, on Kubernetes, several hosts."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.interface import Api, Interface, Scrape, ServedModel
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, Demand, KnownModel, Plan, PlannedService
from stackgen.domain.stack import Service
from stackgen.engines.vllm.demand import alternatives, demand
from stackgen.engines.vllm.options import VllmModel, VllmOptions
from stackgen.engines.vllm.rules import RULES

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload

_START: Final = 1800
"""Seconds that a start may take at least."""
_PREPARE: Final = 900
"""Those that compilation and the recording of graphs take of it."""


class _Vllm:
    name: Final = "vllm"
    summary: Final = "vLLM, one large model for many people at once, over several GPUs and hosts"
    volume_roles: Final = {
        "models": Role(description="weights, mounted read-only at /models"),
        "cache": Role(description="compiled kernels; may be lost, but each start is quicker with them"),
    }
    use_roles: Final[Mapping[str, Role]] = {}
    offers: Final = frozenset({"chat", "tasks", "embeddings", "models"})

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options`."""
        return defaults.parse(VllmOptions, service.options, (*path, "options"))

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """Check the entry of its model."""
        return defaults.parse(VllmModel, entry, path)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of the entry of its model."""
        return VllmOptions.model_json_schema(), VllmModel.model_json_schema()

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """What vLLM would refuse at start, half an hour after the download began."""
        for rule in RULES:
            yield from rule(service, known)

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """A share of each GPU that is taken whatever the model."""
        return demand(service, known)

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """Smaller shares."""
        return alternatives(service)

    def interface(self, service: PlannedService) -> Interface:
        """The OpenAI API."""
        options: VllmOptions = service.linked.options
        return Interface(
            apis={Api.OPENAI: "/v1", Api.ANTHROPIC: ""},
            models=tuple(
                ServedModel(id=use.id, aliases=tuple(use.options.alias), context=use.options.max_model_len)
                for use in service.linked.models
            ),
            key=defaults.secret_key(options.api_key) if options.api_key else None,
            scrapes=(Scrape(),),
        )

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image, offline, with the split that the plan counted with."""
        from stackgen.engines.vllm.lower import workload

        return workload(service, plan, max(_START, defaults.until_loaded(service, _PREPARE)))


ENGINE: Final[Engine] = _Vllm()
