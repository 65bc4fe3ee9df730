"""What llama-server would refuse, compute slowly, or understand otherwise than meant. One function per rule."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel
from stackgen.engines.llama_server.effective import Case, case
from stackgen.engines.llama_server.rules import (
    cache,
    context,
    image,
    loading,
    names,
    router,
    speculation,
    swap,
    threads,
)

Known = Mapping[str, KnownModel]

SERVICE_RULES: Final[tuple[Callable[[LinkedService], Iterator[Diagnostic]], ...]] = (
    names.clashes,
    names.aliases_without_effect,
    names.alias_spelling,
    router.command_line,
    router.environment,
    router.starts_too_many,
    router.context_of_its_own,
    router.no_volume,
    image.other_entry_point,
    image.backend_without_gpu,
    image.vulkan_on_nvidia,
    context.slots_not_given,
    swap.image_without_it,
    swap.only_for_one_router,
)
MODEL_RULES: Final[tuple[Callable[[Case, Known], Iterator[Diagnostic]], ...]] = (
    cache.types_on_cpu,
    cache.types_converted,
    cache.type_without_cuda_kernel,
    cache.value_type_without_flash_attention,
    cache.types_differ_under_mla,
    cache.head_size_without_flash_attention,
    cache.conversion_buffer,
    context.beyond_training,
    context.divided_by_slots,
    context.sharing_overruled,
    context.state_per_slot,
    context.full_windows,
    context.inputs_longer_than_batch,
    loading.fit_has_no_say,
    loading.fit_moves_layers,
    loading.two_ways_to_load,
    loading.experts_in_main_memory,
    loading.file_unknown,
    loading.device_unknown,
    loading.embeddings_not_asked_for,
    loading.projector_missing,
    loading.projector_not_counted,
    speculation.draft_unknown,
    speculation.draft_missing,
    speculation.draft_speaks_otherwise,
    speculation.no_prediction_blocks,
    swap.macros,
    threads.more_than_may_run,
)


def run(service: LinkedService, known: Known) -> Iterable[Diagnostic]:
    """Every finding once, even when an option of the service concerns several models."""
    found: dict[tuple[str, YamlPath], Diagnostic] = {}
    for service_rule in SERVICE_RULES:
        for diagnostic in service_rule(service):
            found.setdefault((diagnostic.kind, diagnostic.path), diagnostic)
    for use in service.models:
        this = case(service, use)
        for model_rule in MODEL_RULES:
            for diagnostic in model_rule(this, known):
                found.setdefault((diagnostic.kind, diagnostic.path), diagnostic)
    return found.values()
