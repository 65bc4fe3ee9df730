"""How others talk to a service: what clients, gateways, proxies and monitoring must know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

from stackgen.domain.linked import SecretKey


class Api(Enum):
    """The protocols that a service may speak."""

    OPENAI = "openai"
    OLLAMA = "ollama"
    ANTHROPIC = "anthropic"
    COMFYUI = "comfyui"
    SEARXNG = "searxng"
    PAGES = "pages"
    """For people with a browser."""


class Task(Enum):
    """What a model is for."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    TRANSCRIPTION = "transcription"
    IMAGES = "images"


class ServedModel(NamedTuple):
    """A model as clients ask for it; `context` is the most tokens of one conversation, None = nobody knows."""

    id: str
    aliases: tuple[str, ...] = ()
    context: int | None = None
    task: Task = Task.CHAT
    vision: bool = False


class Scrape(NamedTuple):
    """Where Prometheus finds figures without making the service load anything."""

    path: str = "/metrics"
    parameters: tuple[tuple[str, str], ...] = ()
    authorized: bool = False
    """Whether the service's key must be sent along."""
    gpu_memory: str | None = None
    """An expression for the memory in use on each GPU of the service's host, in bytes, by the label `gpu`."""


class Proxy(NamedTuple):
    """That a service answers for the host names of others."""

    services: frozenset[str] | None = None
    """Whose host names; None = those of all services that have one."""
    scheme: Literal["http", "https"] = "https"
    port: int | None = None
    """Where people reach it; None = the usual port of the scheme."""
    own_authority: bool = False
    """Whether devices must be told to trust its certificates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interface:
    """What a service offers at its first port."""

    apis: Mapping[Api, str] = field(default_factory=dict)
    """The protocols that it speaks, and where each begins: `/v1`, or nothing for the root."""
    models: tuple[ServedModel, ...] = ()
    key: SecretKey | None = None
    """What clients must send as a bearer token."""
    scrapes: tuple[Scrape, ...] = ()
    proxy: Proxy | None = None
    first_answer: int = 60
    """Seconds that an answer may take to begin, since a model may have to be loaded for it."""
