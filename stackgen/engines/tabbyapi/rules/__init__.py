"""What TabbyAPI would refuse, ignore in silence, or understand otherwise than meant. One function per rule."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel
from stackgen.engines.tabbyapi.effective import Case, cases
from stackgen.engines.tabbyapi.rules import access, backend, cache, drafts, models, split

Known = Mapping[str, KnownModel]

SERVICE_RULES: Final[tuple[Callable[[LinkedService], Iterator[Diagnostic]], ...]] = (
    models.dead_keys,
    models.nothing_to_load,
    models.no_volume,
    models.options_of_later_models,
    models.ids_are_folders,
    access.no_key,
    access.open_to_the_network,
    access.variables,
    access.allocator,
    backend.image_without_exllamav2,
    backend.image_moves,
    backend.two_ways_to_run,
    backend.gpus,
)
MODEL_RULES: Final[tuple[Callable[[Case, Known], Iterator[Diagnostic]], ...]] = (
    backend.format_of_weights,
    backend.declared_too_little,
    backend.architecture,
    split.lengths,
    split.headroom,
    split.without_effect,
    split.offload_without_effect,
    cache.smaller_than_context,
    cache.modes_of_the_other_backend,
    cache.beyond_training,
    drafts.unknown,
    drafts.no_prediction_blocks,
)


def run(service: LinkedService, known: Known) -> Iterable[Diagnostic]:
    """Every finding once, even when an option of the service concerns several models."""
    found: dict[tuple[str, YamlPath], Diagnostic] = {}
    for service_rule in SERVICE_RULES:
        for diagnostic in service_rule(service):
            found.setdefault((diagnostic.kind, diagnostic.path), diagnostic)
    for this in cases(service):
        for model_rule in MODEL_RULES:
            for diagnostic in model_rule(this, known):
                found.setdefault((diagnostic.kind, diagnostic.path), diagnostic)
    return found.values()
