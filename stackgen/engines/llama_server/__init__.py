"""llama-server as a router: one process that starts one more for each model that is asked for."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from stackgen.domain.contracts import Engine, Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.interface import Interface
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.llama import LlamaProcess
from stackgen.domain.plan import Alternative, Demand, KnownModel, Plan, PlannedService
from stackgen.domain.stack import Service
from stackgen.engines.llama_server import rules
from stackgen.engines.llama_server.demand import demand, process
from stackgen.engines.llama_server.options import read_service, read_use, schema

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload


class _LlamaServer:
    name: Final = "llama-server"
    summary: Final = "llama.cpp's server with many models behind one address, loaded when asked for"
    volume_roles: Final = {"models": Role(description="weights, mounted read-only at /models")}
    use_roles: Final[Mapping[str, Role]] = {}
    offers: Final = frozenset({"chat", "tasks", "embeddings", "rerank", "transcription"})

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options` against the option table of the image's build."""
        return read_service(service, path)

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """Check one entry of `models` likewise."""
        return read_use(entry, options, path)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of one entry of `models`, for the newest build."""
        return schema()

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """What would be refused, slow, or otherwise than meant."""
        return rules.run(service, known)

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """One resident per model, and how many of them may be loaded at once."""
        return demand(service, known)

    def process(self, service: LinkedService, use: LinkedUse) -> LlamaProcess:
        """The process that the router starts for one model."""
        return process(service, use)

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """Smaller ways to serve one model."""
        from stackgen.engines.llama_server.alternatives import alternatives

        return alternatives(service, use, known)

    def interface(self, service: PlannedService) -> Interface:
        """The OpenAI API for all models."""
        from stackgen.engines.llama_server.interface import interface

        return interface(service)

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The router with its presets file."""
        from stackgen.engines.llama_server.lower import workload

        return workload(service, plan)


ENGINE: Final[Engine] = _LlamaServer()
