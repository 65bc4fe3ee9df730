"""Grafana: a dashboard of the plan's budget lines with what is measured beside them."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from stackgen.domain.contracts import Engine, Role
from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.engine_base import WithoutModels
from stackgen.domain.interface import Api, Interface
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel, Plan, PlannedService
from stackgen.engines.grafana.options import GrafanaOptions

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload


class _Grafana(WithoutModels):
    name = "grafana"
    summary = "Grafana, a dashboard of the plan beside what is measured"
    settings = GrafanaOptions
    volume_roles = {"data": Role(description="users, and dashboards of your own")}
    use_roles = {"metrics": Role(description="Prometheus")}

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

    def interface(self, service: PlannedService) -> Interface:
        """Pages for people."""
        return Interface(apis={Api.PAGES: ""})

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image with a data source and a dashboard."""
        from stackgen.engines.grafana.lower import workload

        return workload(service, plan)


ENGINE: Final[Engine] = _Grafana()
