"""Ollama: models of its library or of the hub behind one address, each in a llama-server process of its own."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.interface import Interface
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, Demand, KnownModel, Plan, PlannedService
from stackgen.domain.stack import Service
from stackgen.engines.ollama.options import ModelOptions, OllamaOptions

if TYPE_CHECKING:
    from stackgen.domain.lock import LockEntry
    from stackgen.domain.workload import DownloadFile, Workload


class _Ollama:
    name: Final = "ollama"
    summary: Final = "Ollama, models by name, loaded when asked for"
    volume_roles: Final = {"models": Role(description="its store of models, mounted at /models")}
    use_roles: Final[Mapping[str, Role]] = {}
    offers: Final = frozenset({"chat", "tasks", "embeddings"})

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options`."""
        return defaults.parse(OllamaOptions, service.options, (*path, "options"))

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """Check one entry of `models`."""
        return defaults.parse(ModelOptions, entry, path)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of one entry of `models`."""
        return OllamaOptions.model_json_schema(), ModelOptions.model_json_schema()

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """What it would refuse, do on the CPU without a word, or leave open to everybody."""
        from stackgen.engines.ollama import rules

        return rules.run(service, known)

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """One process per model, and how many of them it may keep."""
        from stackgen.engines.ollama.demand import demand

        return demand(service, known)

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """Smaller ways to serve one model."""
        from stackgen.engines.ollama.alternatives import alternatives

        return alternatives(service, use, known)

    def stored(self, service: LinkedService, use: LinkedUse, entry: "LockEntry") -> "Iterable[DownloadFile]":
        """A model in Ollama's store: its parts by their hashes, and a manifest for each of its names."""
        from stackgen.engines.ollama.store import stored

        return stored(service, use, entry)

    def interface(self, service: PlannedService) -> Interface:
        """Its own protocol, and OpenAI's and Anthropic's beside it."""
        from stackgen.engines.ollama.interface import interface

        return interface(service)

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image, told by its environment."""
        from stackgen.engines.ollama.lower import workload

        return workload(service)


ENGINE: Final[Engine] = _Ollama()
