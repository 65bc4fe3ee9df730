"""What planning hands over: who sits on which GPU, with how much, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.footprint import NOTHING, Basis, Memory
from stackgen.domain.interface import Interface
from stackgen.domain.linked import LinkedService, LinkedStack, ModelRequest

if TYPE_CHECKING:
    from stackgen.domain.facts import ModelFacts
    from stackgen.domain.fronts import Front
    from stackgen.domain.witness import Statement
    from stackgen.domain.workload import Download


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownModel:
    """What is known of a requested model. `facts` is None when nothing is."""

    request: ModelRequest
    facts: "ModelFacts | None"
    basis: Basis
    file: str | None = None
    """Path of the (first) weights file below the models volume; an assumption unless locked."""
    mmproj_file: str | None = None
    mmproj: Memory = NOTHING
    disk_bytes: int | None = None
    """All files together, once locked."""
    spread_percent: int = 0
    """How far the real weights may be from `facts`, for approximate quantization recipes."""
    measured: "tuple[Statement, ...]" = ()
    """What llama.cpp itself said of it, each for its own arguments."""
    diagnostics: tuple[Diagnostic, ...] = ()


class Resident(NamedTuple):
    """One process that can sit on GPUs: a loaded model, or a program of declared size.

    `gpus` maps the index of a GPU on the host to what it takes there.
    """

    service: str
    use: str | None
    gpus: Mapping[int, Memory]
    host: Memory = NOTHING
    pinned: bool = False
    """Loaded at start, so always among those that are resident."""

    @property
    def label(self) -> str:
        """`service/model`, or `service`."""
        return self.service if self.use is None else f"{self.service}/{self.use}"


class Limit(Enum):
    """How many residents of a service may be loaded at once, when it is not a number."""

    ALL = "all"
    AUTO = "auto"


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """An engine's answer: what a service may load, and how much of it at once."""

    residents: tuple[Resident, ...]
    limit: int | Limit = Limit.ALL
    limit_option: str = "models_max"
    """How the engine calls the option that sets it."""
    diagnostics: tuple[Diagnostic, ...] = ()
    unknown: bool = False
    """Whether something could not be sized, so that no verdict is possible."""
    spans_hosts: bool = False
    """Whether the sizes are those of each host of a service that has `workers`."""
    watches: bool = False
    """Whether it only looks at its GPUs: it takes nothing of them, and keeps nobody from them."""
    further_models: tuple[str, ...] = ()
    """Names of models that it needs besides those under `models`, such as draft models."""


class Alternative(NamedTuple):
    """A change to one service that takes less memory: what to write under a model, and what it costs the user.

    `cost` ranks alternatives: 1 hardly noticed ... 9 another model. Those of one `knob` follow each other from
    the change that goes least far to the one that goes furthest.
    """

    change: str
    cost: int
    service: LinkedService
    knob: str = ""
    setting: str = ""
    """Which of the knob's changes it is, whatever else is changed meanwhile."""
    price: str = ""
    """What it costs, in words for people."""


class Verdict(Enum):
    """The answer of a plan; the values are part of the JSON contract."""

    FITS = "fits"
    OVER_BUDGET = "over-budget"
    UNKNOWN = "unknown"
    INVALID = "invalid"


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuLedger:
    """The worst case of one GPU: capacity less reserve and headroom is usable; `free` may be negative."""

    host: str
    index: int
    model: str
    capacity: int
    usable: int
    residents: tuple[tuple[Resident, Memory], ...]

    @property
    def low(self) -> int:
        """Sum of the low bounds, in bytes."""
        return sum(memory.low for _, memory in self.residents)

    @property
    def high(self) -> int:
        """Sum of the high bounds, in bytes: the gate."""
        return sum(memory.high for _, memory in self.residents)

    @property
    def free(self) -> int:
        """Bytes left under the high bound."""
        return self.usable - self.high


class HostLedger(NamedTuple):
    """Main memory and CPUs of a host: what it has (None: not told), and what may be needed or asked for at worst.

    Bytes, and thousandths of a CPU.
    """

    host: str
    ram: int | None
    ram_high: int
    ram_requests: int
    """What services ask to be kept free for them, of those that can be up at once."""
    cpus: int | None
    cpu_requests: int


class ScenarioResult(NamedTuple):
    """A scenario of stack.yaml, worked out."""

    name: str
    verdict: Verdict
    expected: Verdict
    gpus: tuple[GpuLedger, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedService:
    """A service with what planning decided: how many models may be loaded, and what each takes."""

    linked: LinkedService
    demand: Demand
    models_max: int
    known: Mapping[str, KnownModel] = field(default_factory=dict)


class Advice(NamedTuple):
    """A way out of a shortfall, planned again to see that it is enough; `saves` in bytes on the GPU that lacks most.

    `at` says where to write `change`: `service/model`, `service`, `models.name`, or nothing for the top of the file.
    """

    at: str
    change: str
    cost: int
    price: str
    saves: int


class Shortfall(NamedTuple):
    """Residents that GPUs of a host cannot hold together; any one of `ways` makes them fit, the cheapest is first."""

    host: str
    gpus: tuple[int, ...]
    lacks: int
    residents: tuple[str, ...]
    ways: tuple[Advice, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything that planning found out."""

    stack: LinkedStack
    verdict: Verdict
    gpus: tuple[GpuLedger, ...] = ()
    hosts: tuple[HostLedger, ...] = ()
    scenarios: tuple[ScenarioResult, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
    services: Mapping[str, PlannedService] = field(default_factory=dict)
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    """How others talk to each service, by its name."""
    fronts: "Mapping[str, Front]" = field(default_factory=dict)
    """Who answers for the host name of a service, by its name; known when it is rendered."""
    downloads: "tuple[Download, ...]" = ()
    diagnostics: tuple[Diagnostic, ...] = ()
