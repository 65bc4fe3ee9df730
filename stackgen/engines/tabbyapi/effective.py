"""What TabbyAPI will really do with one model: the keys of its entry over those of the service, then its defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stackgen.domain.diagnostic import YamlPath
from stackgen.domain.facts import ModelFacts
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import KnownModel
from stackgen.domain.units import MIB
from stackgen.engines.tabbyapi.keys import PAGE, DraftModel, ModelKeys, ServiceKeys

CHUNK: Final = 2048
FALLBACK_CONTEXT: Final = 8192
"""For a model that does not tell its own (backends/exllamav3/model.py)."""
RESERVE: Final = 768 * MIB
"""Left on each GPU when nobody says how much; TabbyAPI's own 96 MiB on the first would fill the card to the brim."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One model of a service with the keys that hold for it."""

    service: LinkedService
    use: LinkedUse
    keys: ModelKeys

    @property
    def server(self) -> ServiceKeys:
        """What holds for the whole service."""
        return server(self.service)

    @property
    def draft(self) -> DraftModel | None:
        """Speculative decoding, when there is any."""
        draft = self.keys.draft_model
        return None if draft is None or draft.draft_mode == "disabled" else draft

    def at(self, *names: str) -> YamlPath:
        """Where the first of these keys stands that somebody wrote: in the entry, else in `options`."""
        for name in names:
            if name in self.use.options.keys.model_fields_set:
                return (*self.use.path, name)
            if name in self.service.options.keys.model_fields_set:
                return (*self.service.path, "options", name)
        return self.use.path

    def max_seq_len(self, facts: ModelFacts | None) -> int:
        """The longest conversation in tokens: no longer than the cache."""
        trained = facts.context_length if facts else 0
        wanted = self.keys.max_seq_len or trained or FALLBACK_CONTEXT
        return min(wanted, self.keys.cache_size or wanted)

    def cache_size(self, facts: ModelFacts | None) -> int:
        """Tokens of the whole cache: whole pages."""
        wanted = self.keys.cache_size or self.max_seq_len(facts)
        return -(-wanted // PAGE) * PAGE

    @property
    def chunk_size(self) -> int:
        """Tokens of a prompt that are read at a time: whole pages."""
        return -(-(self.keys.chunk_size or CHUNK) // PAGE) * PAGE

    @property
    def cache_mode(self) -> str:
        """How keys and values are stored."""
        return self.keys.cache_mode or "FP16"

    @property
    def first(self) -> bool:
        """Whether it is the model that is loaded at the start."""
        return self.use.id == self.service.models[0].id


def server(service: LinkedService) -> ServiceKeys:
    """The typed keys of a service."""
    keys: ServiceKeys = service.options.keys
    return keys


def case(service: LinkedService, use: LinkedUse) -> Case:
    """The keys of one model."""
    own: ModelKeys = use.options.keys
    common = server(service)
    values = {
        name: getattr(keys, name)
        for keys in (common, own)
        for name in ModelKeys.model_fields
        if name in keys.model_fields_set
    }
    return Case(service=service, use=use, keys=ModelKeys.model_construct(_fields_set=set(values), **values))


def cases(service: LinkedService) -> list[Case]:
    """All models of a service."""
    return [case(service, use) for use in service.models]


def reserves(this: Case) -> tuple[int, ...]:
    """What is left free on each GPU, beside what other programs take."""
    given = this.keys.autosplit_reserve
    return tuple(given) if given is not None else (RESERVE,) * len(this.service.gpus)


def facts_of(this: Case, known: Mapping[str, KnownModel]) -> ModelFacts | None:
    """What is known of a model."""
    model = known.get(this.use.model.name)
    return model.facts if model else None
