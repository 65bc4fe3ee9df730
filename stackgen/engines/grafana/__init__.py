"""Grafana: a dashboard of the plan's budget lines with what is measured beside them."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath, error, warning
from stackgen.domain.interface import Api, Interface
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, Demand, KnownModel, Plan, PlannedService
from stackgen.domain.stack import Service
from stackgen.engines.grafana.options import GrafanaOptions

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload


class _Grafana:
    name: Final = "grafana"
    summary: Final = "Grafana, a dashboard of the plan beside what is measured"
    volume_roles: Final = {"data": Role(description="users, and dashboards of your own")}
    use_roles: Final = {"metrics": Role(description="Prometheus")}
    offers: Final[frozenset[str]] = frozenset()

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options`."""
        return defaults.parse(GrafanaOptions, service.options, (*path, "options"))

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """There are no models."""
        return defaults.no_models(self.name, path)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of nothing."""
        return GrafanaOptions.model_json_schema(), defaults.NoOptions.model_json_schema()

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """Nothing to show, a password that everybody knows, GPUs."""
        options: GrafanaOptions = service.options
        if "metrics" not in service.uses:
            yield warning(
                "grafana/no-source",
                service.path,
                "its dashboard has nowhere to take figures from",
                "uses: {metrics: <a service with engine: prometheus>}",
            )
        if options.admin_password is None and "GF_SECURITY_ADMIN_PASSWORD" not in service.env:
            yield warning(
                "grafana/no-password",
                service.path,
                "whoever comes first logs in as admin with the password admin",
                f"options: {{admin_password: {{secret: {{name: {service.name}, key: admin-password}}}}}}",
            )
        if service.gpus:
            message = "Grafana has no use for a GPU"
            yield error("grafana/gpu", (*service.path, "gpus"), message, "leave `gpus` out")

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """No GPU memory."""
        return Demand(residents=())

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """None."""
        return ()

    def interface(self, service: PlannedService) -> Interface:
        """Pages for people."""
        return Interface(apis={Api.PAGES: ""})

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image with a data source and a dashboard."""
        from stackgen.engines.grafana.lower import workload

        return workload(service, plan)


ENGINE: Final[Engine] = _Grafana()
