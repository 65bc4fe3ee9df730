"""Open WebUI: the page where people chat, configured by its environment alone."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Role
from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.engine_base import WithoutModels
from stackgen.domain.interface import Api, Interface
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import Demand, KnownModel, Plan, PlannedService
from stackgen.engines.open_webui.findings import FINDINGS
from stackgen.engines.open_webui.options import OpenWebuiOptions

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload


class OpenWebui(WithoutModels):
    name = "open-webui"
    summary = "Open WebUI, the page where people chat"
    settings = OpenWebuiOptions
    volume_roles = {"data": Role(description="accounts, chats and documents")}
    use_roles = {
        "chat": Role(description="services with the OpenAI API", many=True),
        "tasks": Role(description="a small model for titles and tags, as service/model"),
        "images": Role(description="ComfyUI"),
        "search": Role(description="SearXNG"),
        "transcription": Role(description="a service with the OpenAI API for speech"),
    }

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

    def interface(self, service: PlannedService) -> Interface:
        """Pages for people."""
        return Interface(apis={Api.PAGES: ""})

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image, told by its environment where everything is."""
        from stackgen.engines.open_webui.lower import workload

        return workload(service, plan)


ENGINE: Final[Engine] = OpenWebui()
