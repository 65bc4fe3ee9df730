"""What a gateway offers: each model behind it under the name that clients use, and where it really is."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from stackgen.domain.diagnostic import YamlPath
from stackgen.domain.interface import Api, Interface, ServedModel, Task
from stackgen.domain.linked import LinkedService
from stackgen.engines.litellm.options import LitellmOptions

ROLE: Final = "models"
"""The role under `uses` whose services stand behind the gateway."""

_PROVIDERS: Final[Mapping[tuple[Api, Task], str]] = {
    # ollama_chat asks /api/chat, which knows tools and pictures; embeddings have `ollama` only.
    (Api.OLLAMA, Task.CHAT): "ollama_chat",
    (Api.OLLAMA, Task.EMBEDDINGS): "ollama",
    (Api.OPENAI, Task.CHAT): "openai",
    (Api.OPENAI, Task.EMBEDDINGS): "openai",
    # LiteLLM reranks by no `openai`; this one adds /rerank to the address, which llama-server has below /v1.
    (Api.OPENAI, Task.RERANK): "hosted_vllm",
    (Api.OPENAI, Task.TRANSCRIPTION): "openai",
    (Api.OPENAI, Task.IMAGES): "openai",
}
"""LiteLLM's prefix by protocol and task; Ollama's own protocol comes first where a service speaks both."""


class Route(NamedTuple):
    """One model: `name` is what clients ask the gateway for, `model.id` what the gateway asks the service for."""

    name: str
    service: str
    model: ServedModel
    interface: Interface
    path: YamlPath
    """Where stack.yaml puts it behind the gateway."""

    @property
    def label(self) -> str:
        """`service/model`, for people."""
        return f"{self.service}/{self.model.id}"

    @property
    def provider(self) -> tuple[Api, str] | None:
        """The protocol to speak with the service and LiteLLM's prefix for it, or None if there is none."""
        found = (
            (api, prefix)
            for (api, task), prefix in _PROVIDERS.items()
            if task is self.model.task and api in self.interface.apis
        )
        return next(found, None)


def routes(service: LinkedService, others: Mapping[str, Interface]) -> tuple[Route, ...]:
    """Every model behind a gateway, in the order of `uses`; `others` are the interfaces of all services."""
    options: LitellmOptions = service.options
    called: dict[str, list[str]] = {}
    for name, label in options.names.items():
        called.setdefault(label, []).append(name)
    return tuple(
        Route(name=name, service=used, model=model, interface=others[used], path=path)
        for used, model, path in _behind(service, others)
        for name in called.get(f"{used}/{model.id}", (model.id,))
    )


def _behind(
    service: LinkedService, others: Mapping[str, Interface]
) -> Iterator[tuple[str, ServedModel, YamlPath]]:
    seen: set[tuple[str, str]] = set()
    for index, reference in enumerate(service.uses.get(ROLE, ())):
        used = others.get(reference.service, Interface())
        for model in used.models:
            key = (reference.service, model.id)
            if reference.use in (None, model.id) and key not in seen:
                seen.add(key)
                yield reference.service, model, (*service.path, "uses", ROLE, index)


def by_name(found: tuple[Route, ...]) -> dict[str, list[Route]]:
    """The routes by the name that clients use."""
    names: dict[str, list[Route]] = {}
    for route in found:
        names.setdefault(route.name, []).append(route)
    return names


def aliases(options: LitellmOptions, found: tuple[Route, ...]) -> dict[str, str]:
    """Further names and the names that they stand for: those of the gateway, then those of its services."""
    names = {route.name for route in found}
    known = dict(options.aliases)
    for route in found:
        for alias in route.model.aliases:
            if alias not in names:
                known.setdefault(alias, route.name)
    return known


def context(group: list[Route]) -> int | None:
    """The tokens that every service of a name takes, None when nobody knows."""
    known = [route.model.context for route in group if route.model.context is not None]
    return min(known, default=None)


def timeout(service: LinkedService, found: tuple[Route, ...]) -> int:
    """Seconds that an answer may take: the longest load of a model, and 10 minutes to write it."""
    options: LitellmOptions = service.options
    return options.timeout or longest_load(found) + 600


def longest_load(found: tuple[Route, ...]) -> int:
    """Seconds until the slowest service begins to answer."""
    return max((route.interface.first_answer for route in found), default=0)
