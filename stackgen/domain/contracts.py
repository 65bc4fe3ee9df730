"""The two extension points: what a module in `engines/` and one in `targets/` must offer."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.interface import Interface
from stackgen.domain.linked import LinkedService, LinkedUse, Publication, Scheduled
from stackgen.domain.plan import Alternative, Demand, KnownModel, Plan, PlannedService
from stackgen.domain.stack import Service

if TYPE_CHECKING:
    from stackgen.domain.delivery import Deploy
    from stackgen.domain.document import Document
    from stackgen.domain.llama import LlamaProcess
    from stackgen.domain.lock import LockEntry
    from stackgen.domain.workload import Deployment, DownloadFile, Workload


class Parsed(NamedTuple):
    """Checked options, or None, with everything that was found."""

    value: Any
    diagnostics: tuple[Diagnostic, ...] = ()


class Role(NamedTuple):
    """Something a service can be given by name: a volume to store in, or another service to use."""

    description: str
    required: bool = False
    many: bool = False
    anyone: bool = False
    """Whether every service can fill it, whatever its engine offers."""
    fillers: tuple[str, ...] = ()
    """What a service must offer one of to be used so; nothing = what the role itself is called."""


class Engine(Protocol):
    """A program that stack.yaml can name under `engine:`. One file (or package) in `engines/` each."""

    @property
    def name(self) -> str:
        """The value of `engine:` in stack.yaml."""
        ...

    @property
    def summary(self) -> str:
        """One line for people."""
        ...

    @property
    def volume_roles(self) -> Mapping[str, Role] | None:
        """Keys under `volumes`; None = absolute paths inside the container, free to choose."""
        ...

    @property
    def use_roles(self) -> Mapping[str, Role]:
        """Keys under `uses`."""
        ...

    @property
    def offers(self) -> frozenset[str]:
        """The `uses` roles that this engine can fill for others, such as chat or images."""
        ...

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options` of a service; `path` leads to the service."""
        ...

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """Check one entry of `models` (without its key `model`); `path` leads to the entry."""
        ...

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of one entry of `models`."""
        ...

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """Everything that this service has wrong and that needs no budget; `known` is by model name."""
        ...

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """What it may hold in memory; `known` is by model name."""
        ...

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """Ways to take less memory for one model, each knob from its mildest change on; `known` is by model name."""
        ...

    def interface(self, service: PlannedService) -> Interface:
        """How others talk to it."""
        ...

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """What to run. A plan needs none of it: import `domain.workload` in here, not with the module."""
        ...


@runtime_checkable
class RunsLlama(Protocol):
    """What an engine may offer beside the rest: llama.cpp's own programs and logs can then speak of its models."""

    def process(self, service: LinkedService, use: LinkedUse) -> "LlamaProcess":
        """The process that serves one model."""
        ...


@runtime_checkable
class Gateway(Protocol):
    """An engine, besides, that offers under its own address what the services that it uses offer."""

    def gateway(self, service: PlannedService, others: Mapping[str, Interface]) -> Interface:
        """How others talk to it; `others` are the services that are no gateways themselves, by name."""
        ...


@runtime_checkable
class Publishes(Protocol):
    """An engine, besides, whose options publish ports beside the one of `publish`."""

    def publications(self, options: Any, publish: Publication) -> Mapping[str, Publication]:
        """Those ports, by the option that names them."""
        ...


@runtime_checkable
class Connected(Protocol):
    """An engine, besides, that can be wrong about the services that it uses."""

    def connections(self, service: PlannedService, plan: Plan) -> Iterable[Diagnostic]:
        """Everything that only what others offer can tell."""
        ...


@runtime_checkable
class Store(Protocol):
    """An engine that keeps its weights in a way of its own, rather than as they are named where they come from."""

    def stored(self, service: LinkedService, use: LinkedUse, entry: "LockEntry") -> "Iterable[DownloadFile]":
        """The files on its volume `models` with which a service offers a locked model."""
        ...


class Rendered(NamedTuple):
    """A target's documents, and what it could not express."""

    documents: "tuple[Document, ...]"
    diagnostics: tuple[Diagnostic, ...] = ()


class Target(Protocol):
    """A platform that files can be rendered for. One file in `targets/` each."""

    @property
    def name(self) -> str:
        """The value of `platform:` in stack.yaml, and of `--target`."""
        ...

    @property
    def summary(self) -> str:
        """One line for people."""
        ...

    @property
    def platform(self) -> bool:
        """Whether a host can name it under `platform:`; else it renders for all hosts."""
        ...

    @property
    def handles(self) -> frozenset[str]:
        """Fields of Workload that it expresses."""
        ...

    @property
    def rejects(self) -> frozenset[str]:
        """Fields of Workload that it answers with a diagnostic when they are set."""
        ...

    def scheduled(self, deploy: "Deploy") -> Scheduled:
        """What of a host it hands out by request, and keeps who finds too little left waiting for ever.

        Of a vendor's cards that means: whole ones, by number.
        """
        ...

    def render(self, deployment: "Deployment") -> Rendered:
        """Documents for the hosts that have this platform; the others tell where their services listen."""
        ...


Engines = Mapping[str, Engine]
Targets = Mapping[str, Target]
