"""Engines of the simpler kinds, to build on: those without models, and those whose memory is declared."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath, did_you_mean, error
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import Alternative, Demand, KnownModel, Limit
from stackgen.domain.stack import Service
from stackgen.domain.strict import Strict
from stackgen.domain.values import Name


class WithoutModels:
    """A program with options of its own; it serves no models, and holds no GPU memory."""

    name: str
    settings: type[Strict] = defaults.NoOptions
    """What `options` may hold."""
    volume_roles: Mapping[str, Role] | None = {}
    use_roles: Mapping[str, Role] = {}
    offers: frozenset[str] = frozenset()

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options`."""
        return defaults.parse(self.settings, service.options, (*path, "options"))

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """There are no models."""
        return defaults.no_models(self.name, path)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of an empty entry."""
        return self.settings.model_json_schema(), defaults.NoOptions.model_json_schema()

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """No GPU memory."""
        return Demand(residents=())

    def alternatives(
        self, service: LinkedService, use: LinkedUse, known: Mapping[str, KnownModel]
    ) -> Iterable[Alternative]:
        """None."""
        return ()


class WithDeclaredMemory(WithoutModels):
    """A program whose memory cannot be worked out from outside: a model stands for what it declares."""

    at_once: int | Limit = Limit.ALL
    """How many of its models may be loaded at the same time."""

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """A model has no options here."""
        return defaults.parse(defaults.NoOptions, entry, path)

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """What its models declare, or the service for itself."""
        return defaults.declared_demand(service, limit=self.at_once)


class UseOfParts(Strict):
    """What stands under a model that is not whole."""

    parts: list[Name] = Field(
        default=[], description="further names under `models` whose files it needs, such as text encoders"
    )


class WithParts(WithDeclaredMemory):
    """A program, besides, whose models may need the files of others."""

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """Nothing but what else it needs."""
        return defaults.parse(UseOfParts, entry, path)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of an entry under `models`."""
        return self.settings.model_json_schema(), UseOfParts.model_json_schema()

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """What its models declare for themselves and their parts."""
        parts = {part for use in service.models for part in use.options.parts}
        return replace(super().demand(service, known), further_models=tuple(sorted(parts)))

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """Memory that nobody declared, and parts that are no models."""
        yield from defaults.declared_findings(service)
        for use in service.models:
            for number, part in enumerate(use.options.parts):
                if part not in known:
                    yield error(
                        "engine/unknown-part",
                        (*use.path, "parts", number),
                        f"there is no model `{part}`",
                        did_you_mean(part, known) or f"a name under `models`: {', '.join(sorted(known))}",
                    )
