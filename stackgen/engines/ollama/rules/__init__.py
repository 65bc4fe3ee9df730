"""What Ollama would refuse, do otherwise than meant, or leave open. One function per rule."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel
from stackgen.engines.ollama.effective import Case, case
from stackgen.engines.ollama.rules import memory, scheduler, service, store

SERVICE_RULES: Final[tuple[Callable[[LinkedService], Iterator[Diagnostic]], ...]] = (
    service.open_to_everybody,
    service.variables_of_options,
    service.variables_of_the_past,
    service.engines_of_its_own,
    service.overhead_without_effect,
    service.never_gives_back,
    store.no_volume,
    store.names_taken,
    scheduler.one_process_per_file,
    scheduler.whichever_gpu,
)
MODEL_RULES: Final[tuple[Callable[[Case, KnownModel | None], Iterator[Diagnostic]], ...]] = (
    memory.cache_without_flash_attention,
    memory.context_not_given,
    memory.context_beyond_training,
    memory.layers_move_to_the_cpu,
    memory.main_gpu_that_there_is_not,
    memory.main_memory_unchecked,
    memory.more_threads_than_may_run,
    scheduler.parallel_ignored,
    scheduler.drafts_nothing,
    store.file_in_parts,
    store.projector_not_counted,
)


def run(linked: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
    """Every finding once, even when an option of the service concerns several models."""
    found: dict[tuple[str, object], Diagnostic] = {}
    if not linked.models:
        yield from defaults.declared_findings(linked)
    for service_rule in SERVICE_RULES:
        for diagnostic in service_rule(linked):
            found.setdefault((diagnostic.kind, diagnostic.path), diagnostic)
    for use in linked.models:
        model = known.get(use.model.name)
        for model_rule in MODEL_RULES:
            for diagnostic in model_rule(case(linked, use, model), model):
                found.setdefault((diagnostic.kind, diagnostic.path), diagnostic)
    yield from scheduler.evicts_what_would_fit(linked, known)
    yield from found.values()
