"""Engines without substance, to test what a stack may say about engines, and how it is told that it is wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from stackgen import registry
from stackgen.domain.contracts import Engine, Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.interface import Interface
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, Demand, KnownModel, Plan, PlannedService
from stackgen.domain.stack import Service, Strict
from stackgen.domain.validation import validate
from stackgen.domain.values import Size
from stackgen.domain.workload import Workload


class ChatOptions(Strict):
    """Options of a chat server."""

    parallel: Annotated[int, Field(ge=1, le=64)] = Field(default=1, description="slots")
    cache_type: Literal["f16", "q8_0", "q4_0"] = Field(default="f16", description="type of the cache")
    models_max: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto", description="how many models are loaded at once"
    )
    flash_attn: bool = Field(default=True, description="use flash attention")
    temperature: float = Field(default=0.8, description="how far answers stray")
    cache_ram: Size = Field(default=0, description="memory for idle prompts")
    stop: list[str] = Field(default=[], description="words that end an answer")


class ChatUse(Strict):
    """Options of a model of a chat server."""

    context: Annotated[int, Field(ge=0, multiple_of=256)] = Field(default=4096, description="tokens")
    alias: list[str] = Field(default=[], description="other ids")
    draft: str | None = Field(default=None, description="a model that guesses ahead")


class Nothing(Strict):
    """No options."""


@dataclass(frozen=True, kw_only=True)
class FakeEngine:
    """An engine that checks its options, and is never asked for more."""

    name: str
    summary: str = "for tests"
    volume_roles: Mapping[str, Role] | None = field(default_factory=dict)
    use_roles: Mapping[str, Role] = field(default_factory=dict)
    offers: frozenset[str] = frozenset()
    service_options: type[Strict] = Nothing
    model_options: type[Strict] = Nothing

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options`."""
        value, found = validate(self.service_options, service.options, (*path, "options"))
        return Parsed(value, tuple(found))

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """Check an entry of `models`."""
        value, found = validate(self.model_options, dict(entry), path)
        return Parsed(value, tuple(found))

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of both."""
        return self.service_options.model_json_schema(), self.model_options.model_json_schema()

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """Not planned."""
        raise NotImplementedError

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """Not planned."""
        raise NotImplementedError

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """Not planned."""
        raise NotImplementedError

    def interface(self, service: PlannedService) -> Interface:
        """Nothing."""
        return Interface()

    def lower(self, service: PlannedService, plan: Plan) -> Workload:
        """Not rendered."""
        raise NotImplementedError


CHAT_SERVER = FakeEngine(
    name="chat-server",
    volume_roles={"models": Role(description="weights"), "slots": Role(description="saved prompts")},
    offers=frozenset({"chat", "tasks"}),
    service_options=ChatOptions,
    model_options=ChatUse,
)
CHAT_UI = FakeEngine(
    name="chat-ui",
    volume_roles={"data": Role(description="accounts and chats", required=True)},
    use_roles={
        "chat": Role(description="services that answer", required=True, many=True),
        "tasks": Role(description="a model for titles"),
        "search": Role(description="a service that searches the web"),
    },
)
SEARCH_ENGINE = FakeEngine(name="search-engine", offers=frozenset({"search"}))
TOOL = FakeEngine(
    name="tool",
    volume_roles=None,
    use_roles={"api": Role(description="any other program", many=True)},
    offers=frozenset({"api"}),
)
ENGINES: dict[str, Engine] = {e.name: e for e in (CHAT_SERVER, CHAT_UI, SEARCH_ENGINE, TOOL)}
PLATFORMS = {name: registry.target(name) for name in ("compose", "kubernetes", "nixos")}
