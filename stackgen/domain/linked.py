"""stack.yaml with every name resolved and every option checked by the engine that owns it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.hosts import Sharing
from stackgen.domain.stack import Stack, Volume
from stackgen.domain.units import MIB

UNNAMED = "unnamed"
"""The model of a card that only has a capacity."""

Resource = Literal["cpu", "ram", "nvidia", "amd", "intel"]
"""What a host has of which a platform may keep count: processors, memory, and the cards of each vendor."""
Scheduled = Mapping[Resource, int]
"""What of a host a platform hands out by request, and how much of it goes to nobody: bytes, or thousandths of a CPU."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedGpu:
    """A GPU of a host; sizes in bytes. `compute_capability` is NVIDIA's, such as (8, 6), else None."""

    index: int
    model: str
    capacity: int
    reserve: int = 0
    uuid: str | None = None
    vendor: str = "nvidia"
    compute_capability: tuple[int, int] | None = None
    driver: str | None = None
    """The kernel's, where a vendor has several: i915 or xe."""

    @property
    def name(self) -> str:
        """Its name in the table, or what it has."""
        return f"{self.capacity // MIB}MiB" if self.model == UNNAMED else self.model


class Bounds(NamedTuple):
    """What is kept free for a service, and what it gets at most: bytes, or thousandths of a CPU."""

    request: int | None = None
    limit: int | None = None

    @property
    def asked(self) -> int:
        """What a scheduler counts: Kubernetes takes the limit for the request where only that is given."""
        return self.request or self.limit or 0

    @property
    def most(self) -> int:
        """What it may come to, as far as anybody said."""
        return self.limit or self.request or 0


UNBOUNDED: Final = Bounds()


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedHost:
    """A machine with its GPUs in PCI bus order."""

    name: str
    platform: str
    gpus: tuple[LinkedGpu, ...] = ()
    ram: int | None = None
    cpus: int | None = None
    """Thousandths of a logical CPU."""
    address: str | None = None
    node: str | None = None
    """Its name in a cluster, if that is another."""
    sharing: Sharing | None = None
    scheduled: Scheduled = field(default_factory=dict)
    """What its platform hands out by request: whoever finds too little left waits for ever."""


class ModelRequest(NamedTuple):
    """Which weights somebody wants: exactly one of `repo`, `ollama`, `url` and `path` is set."""

    repo: str | None = None
    quant: str | None = None
    path: str | None = None
    revision: str | None = None
    file: str | None = None
    files: tuple[tuple[str, str], ...] = ()
    mmproj: str | None = None
    catalog: str | None = None
    ollama: str | None = None
    url: str | None = None
    sha256: str | None = None
    """Of the file at `url`, which nothing else would prove."""

    @property
    def source(self) -> tuple[str, str]:
        """The key in stack.yaml that says where the weights come from, and what it says, less a quantization."""
        found = (("hf", self.repo), ("ollama", self.ollama), ("url", self.url), ("path", self.path))
        return next(((key, text) for key, text in found if text is not None), ("path", ""))


class LinkedModel(NamedTuple):
    """A name under `models`. `declared` is (low, high) in bytes."""

    name: str
    request: ModelRequest
    declared: tuple[int, int] | None = None

    @property
    def path(self) -> YamlPath:
        """Where it stands in stack.yaml."""
        return ("models", self.name)


class LinkedUse(NamedTuple):
    """A model that a service offers under an id; `options` is the engine's typed value."""

    id: str
    service: str
    model: LinkedModel
    options: Any

    @property
    def path(self) -> YamlPath:
        """Where it stands in stack.yaml."""
        return ("services", self.service, "models", self.id)


class Reference(NamedTuple):
    """`service` or `service/model` in `uses`, `scenarios` and the like."""

    service: str
    use: str | None = None

    def __str__(self) -> str:
        return self.service if self.use is None else f"{self.service}/{self.use}"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A reference to a secret's entry."""

    name: str
    key: str


def bracketed(address: str) -> str:
    """An address as URLs write it: IPv6 in brackets."""
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


class Publication(NamedTuple):
    """A port on the host and the IP address on which it listens."""

    port: int
    address: str

    @property
    def everywhere(self) -> bool:
        """Whether it listens on every address of its host."""
        return self.address in ("0.0.0.0", "::")  # noqa: S104  recognized, not bound

    @property
    def loopback(self) -> bool:
        """Whether only the host itself can connect."""
        return self.address == "::1" or self.address.startswith("127.")

    def collides(self, other: "Publication") -> bool:
        """Whether only one of the two can listen on a host."""
        overlap = self.address == other.address or self.everywhere or other.everywhere
        return self.port == other.port and overlap


class Exposure(NamedTuple):
    """A public host name, and the longest answer in seconds."""

    hostname: str
    timeout: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedService:
    """A service with its host, GPUs, models and options; `options` is the engine's typed value."""

    name: str
    engine: str
    host: LinkedHost
    gpus: tuple[LinkedGpu, ...]
    image: str | None
    options: Any
    models: tuple[LinkedUse, ...] = ()
    uses: Mapping[str, tuple[Reference, ...]] = field(default_factory=dict)
    publish: Publication | None = None
    expose: Exposure | None = None
    volumes: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str | SecretKey] = field(default_factory=dict)
    declared: tuple[int, int] | None = None
    ram: Bounds = UNBOUNDED
    cpus: Bounds = UNBOUNDED
    user: str | None = None
    """uid or uid:gid."""
    workers: tuple[LinkedHost, ...] = ()
    """Further hosts that it spreads over, with GPUs of the same indexes on each."""

    @property
    def path(self) -> YamlPath:
        """Where it stands in stack.yaml."""
        return ("services", self.name)

    @property
    def hosts(self) -> tuple[LinkedHost, ...]:
        """Every host that holds a part of it; the first one answers."""
        return (self.host, *self.workers)


class LinkedScenario(NamedTuple):
    """What is loaded together; `expected` is fits or over-budget."""

    name: str
    loaded: tuple[Reference, ...]
    expected: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredUse:
    """A measured footprint of one service/model; bytes per GPU of the service, in order."""

    use: Reference
    gpus: tuple[int, ...]
    ram: int | None
    reason: str
    index: int
    """Its place in the list `measured`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedStack:
    """The whole stack, ready for planning. `notes` are findings that do not stop it."""

    name: str
    hosts: Mapping[str, LinkedHost]
    models: Mapping[str, LinkedModel]
    services: Mapping[str, LinkedService]
    volumes: Mapping[str, Volume]
    exclusive: tuple[frozenset[str], ...] = ()
    scenarios: tuple[LinkedScenario, ...] = ()
    measured: tuple[MeasuredUse, ...] = ()
    headroom: int
    stack: Stack
    notes: tuple[Diagnostic, ...] = ()
