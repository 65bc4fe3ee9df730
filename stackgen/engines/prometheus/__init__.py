"""Prometheus: the figures of the other services, and the plan's own beside them."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from stackgen.domain.contracts import Engine, Role
from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.engine_base import WithoutModels
from stackgen.domain.interface import Api, Interface
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel, Plan, PlannedService
from stackgen.engines.prometheus.options import PrometheusOptions
from stackgen.engines.prometheus.watched import watched

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload


class _Prometheus(WithoutModels):
    name = "prometheus"
    summary = "Prometheus, figures of the other services with the plan's beside them"
    settings = PrometheusOptions
    volume_roles = {"data": Role(description="the figures")}
    use_roles = {
        "targets": Role(
            description="services to watch; all that have figures unless told", many=True, anyone=True
        )
    }
    offers = frozenset({"metrics"})

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """Figures that are lost, and GPUs."""
        if "data" not in service.volumes:
            yield warning(
                "prometheus/no-data",
                service.path,
                "all figures are lost whenever the container is replaced",
                "volumes: {data: <a name under volumes>}",
            )
        if service.gpus:
            message = "Prometheus has no use for a GPU"
            yield error("prometheus/gpu", (*service.path, "gpus"), message, "leave `gpus` out")

    def connections(self, service: PlannedService, plan: Plan) -> Iterable[Diagnostic]:
        """Services that it is to watch and that offer no figures, or nothing to watch at all."""
        for reference in service.linked.uses.get("targets", ()):
            if not plan.interfaces[reference.service].scrapes:
                yield warning(
                    "prometheus/no-figures",
                    (*service.linked.path, "uses", "targets"),
                    f"`{reference.service}` offers no figures for Prometheus",
                    "see docs/monitoring.md for what each engine offers",
                )
        options: PrometheusOptions = service.linked.options
        if not watched(service.linked, plan) and not options.targets:
            yield warning(
                "prometheus/nothing-to-watch",
                service.linked.path,
                "no service of this stack offers figures",
                "a service with `engine: dcgm-exporter`, or `options: {metrics: true}` of llama-server",
            )

    def interface(self, service: PlannedService) -> Interface:
        """Pages for people."""
        return Interface(apis={Api.PAGES: ""})

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image with our configuration and rules."""
        from stackgen.engines.prometheus.lower import workload

        return workload(service, plan)


ENGINE: Final[Engine] = _Prometheus()
