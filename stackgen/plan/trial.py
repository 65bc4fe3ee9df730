"""A plan tried with something changed: what the change concerns is worked out again, everything else is kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from stackgen.domain.contracts import Engines
from stackgen.domain.diagnostic import Severity, YamlPath
from stackgen.domain.linked import LinkedModel, LinkedService, LinkedStack, LinkedUse
from stackgen.domain.plan import Demand, GpuLedger, KnownModel, Plan, Resident
from stackgen.plan.ledger import gpu_ledgers, host_ledgers
from stackgen.plan.solve import measured

Quantizations = Callable[[LinkedModel], Iterable[KnownModel]]
"""What is known of a model's other quantizations, the next smaller first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """The services of one host, what each may hold, and how many of its models at once."""

    stack: LinkedStack
    known: Mapping[str, KnownModel]
    engines: Engines
    quantizations: Quantizations
    demands: Mapping[str, Demand]
    limits: Mapping[str, int]
    ram: int | None
    """What main memory may be filled to, in bytes: no less than it is filled to already."""

    def ledgers(self) -> tuple[GpuLedger, ...]:
        """The worst case of each GPU."""
        return gpu_ledgers(self.stack, self._loaded(), self.limits)

    def lacks(self) -> int:
        """Bytes by which GPUs and main memory are over their budgets, all together."""
        (host,) = host_ledgers(self.stack, self._loaded(), self.limits)
        ram = 0 if self.ram is None else max(0, host.ram_high - self.ram)
        return ram + sum(max(0, -ledger.free) for ledger in self.ledgers())

    def fits(self) -> bool:
        """Whether all GPUs and main memory are within their budgets."""
        return not self.lacks()

    def _loaded(self) -> dict[str, tuple[Resident, ...]]:
        return {name: demand.residents for name, demand in self.demands.items()}

    def with_service(self, changed: LinkedService) -> "Trial | None":
        """With one service changed; None when its engine would refuse what it accepted before."""
        demand = measured(
            self.engines[changed.engine].demand(changed, self.known), changed, self.stack.measured
        )
        if len(demand.residents) < len(self.demands[changed.name].residents):
            return None
        return replace(
            self,
            stack=replace(self.stack, services={**self.stack.services, changed.name: changed}),
            demands={**self.demands, changed.name: demand},
        )

    def with_model(self, name: str, model: KnownModel) -> "Trial | None":
        """With other weights under a model's name."""
        linked = self.stack.models[name]._replace(request=model.request)
        changed: Trial | None = replace(
            self,
            stack=replace(self.stack, models={**self.stack.models, name: linked}),
            known={**self.known, name: model},
        )
        for service in self.stack.services.values():
            if changed and service.name in self.demands and any(u.model.name == name for u in service.models):
                uses = tuple(u._replace(model=linked) if u.model.name == name else u for u in service.models)
                changed = changed.with_service(replace(service, models=uses))
        return changed

    def with_limit(self, service: str, limit: int) -> "Trial":
        """With fewer models of a service at once."""
        return replace(self, limits={**self.limits, service: limit})

    def with_group(self, group: Iterable[str]) -> "Trial":
        """With services that take turns."""
        return replace(self, stack=replace(self.stack, exclusive=(*self.stack.exclusive, frozenset(group))))

    def only(self, labels: Iterable[str]) -> "Trial":
        """With no other residents than these."""
        wanted = set(labels)
        return self._with(
            {
                name: tuple(u for u in service.models if f"{name}/{u.id}" in wanted)
                for name, service in self.stack.services.items()
                if any(label.partition("/")[0] == name for label in wanted)
            }
        )

    def without(self, labels: Iterable[str]) -> "Trial":
        """Without these residents."""
        unwanted = set(labels)
        return self._with(
            {
                name: tuple(u for u in self.stack.services[name].models if f"{name}/{u.id}" not in unwanted)
                for name in self.demands
                if name not in unwanted
            }
        )

    def _with(self, uses: Mapping[str, tuple[LinkedUse, ...]]) -> "Trial":
        """With these models of these services."""
        services = {name: replace(self.stack.services[name], models=models) for name, models in uses.items()}
        ids = {name: {use.id for use in service.models} for name, service in services.items()}
        return replace(
            self,
            stack=replace(self.stack, services={**self.stack.services, **services}),
            demands={
                name: replace(
                    self.demands[name],
                    residents=tuple(
                        r for r in self.demands[name].residents if r.use is None or r.use in ids[name]
                    ),
                )
                for name in services
            },
        )

    def errors(self) -> set[tuple[str, YamlPath]]:
        """What the engines find wrong with the services."""
        return {
            (found.kind, found.path)
            for name in self.demands
            for found in self.engines[self.stack.services[name].engine].check(
                self.stack.services[name], self.known
            )
            if found.severity is Severity.ERROR
        }


def of(
    plan: Plan, known: Mapping[str, KnownModel], engines: Engines, quantizations: Quantizations, host: str
) -> Trial:
    """A host of a plan as it is."""
    demands = {n: s.demand for n, s in plan.services.items() if host in {h.name for h in s.linked.hosts}}
    ledger = next(h for h in plan.hosts if h.host == host)
    return Trial(
        stack=replace(plan.stack, hosts={host: plan.stack.hosts[host]}),
        known=known,
        engines=engines,
        quantizations=quantizations,
        demands=demands,
        limits={name: plan.services[name].models_max for name in demands},
        ram=None if ledger.ram is None else max(ledger.ram, ledger.ram_high),
    )
