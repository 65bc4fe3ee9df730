"""Open WebUI: the page where people chat, configured by its environment alone."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.interface import Api, Interface
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, Demand, KnownModel, Plan, PlannedService
from stackgen.domain.stack import Service
from stackgen.engines.open_webui.findings import FINDINGS
from stackgen.engines.open_webui.options import OpenWebuiOptions

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload


class OpenWebui:
    name: Final = "open-webui"
    summary: Final = "Open WebUI, the page where people chat"
    volume_roles: Final = {"data": Role(description="accounts, chats and documents")}
    use_roles: Final = {
        "chat": Role(description="services with the OpenAI API", many=True),
        "tasks": Role(description="a small model for titles and tags, as service/model"),
        "images": Role(description="ComfyUI"),
        "search": Role(description="SearXNG"),
        "transcription": Role(description="a service with the OpenAI API for speech"),
    }
    offers: Final[frozenset[str]] = frozenset()

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options`."""
        return defaults.parse(OpenWebuiOptions, service.options, (*path, "options"))

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """There are no models: it shows those of the services that it uses."""
        return defaults.no_models(self.name, path)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of nothing."""
        return OpenWebuiOptions.model_json_schema(), defaults.NoOptions.model_json_schema()

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """What would be lost, open to everybody, or without effect."""
        for finding in FINDINGS:
            yield from finding(service)
        yield from defaults.declared_findings(service)

    def connections(self, service: PlannedService, plan: Plan) -> Iterable[Diagnostic]:
        """Keys that are missing, and answers that come too late."""
        from stackgen.engines.open_webui.connections import CONNECTIONS

        for finding in CONNECTIONS:
            yield from finding(service.linked, plan.interfaces)

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """What it declares: only its CUDA images use a GPU."""
        return defaults.declared_demand(service)

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """None."""
        return ()

    def interface(self, service: PlannedService) -> Interface:
        """Pages for people."""
        return Interface(apis={Api.PAGES: ""})

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image, told by its environment where everything is."""
        from stackgen.engines.open_webui.lower import workload

        return workload(service, plan)


ENGINE: Final[Engine] = OpenWebui()
