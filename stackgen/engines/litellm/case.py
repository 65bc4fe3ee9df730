"""A gateway with everything that its rules look at."""

from collections.abc import Mapping
from dataclasses import dataclass

from stackgen.domain.diagnostic import YamlPath
from stackgen.domain.interface import Interface
from stackgen.domain.linked import LinkedService, LinkedStack, ModelRequest
from stackgen.engines.litellm import routes
from stackgen.engines.litellm.options import LitellmOptions
from stackgen.engines.litellm.routes import Route


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A gateway with what is behind it; `groups` are the routes by public name."""

    service: LinkedService
    options: LitellmOptions
    others: Mapping[str, Interface]
    found: tuple[Route, ...]
    groups: Mapping[str, list[Route]]
    aliases: Mapping[str, str]
    exclusive: tuple[frozenset[str], ...]
    weights: Mapping[str, ModelRequest]
    """What is behind a route, by its label, as far as the stack says it."""

    def option(self, *keys: str | int) -> YamlPath:
        """Where an option stands."""
        return (*self.service.path, "options", *keys)


def case(service: LinkedService, others: Mapping[str, Interface], stack: LinkedStack) -> Case:
    """What all rules look at."""
    found = routes.routes(service, others)
    options: LitellmOptions = service.options
    return Case(
        service=service,
        options=options,
        others=others,
        found=found,
        groups=routes.by_name(found),
        aliases=routes.aliases(options, found),
        exclusive=stack.exclusive,
        weights={
            f"{name}/{use.id}": use.model.request
            for name, behind in stack.services.items()
            for use in behind.models
        },
    )
