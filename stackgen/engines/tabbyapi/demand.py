"""What TabbyAPI may hold in memory: one model at a time, with its draft and the part that sees."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.exllama import ExllamaParams
from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Footprint, Memory, TermName
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import Demand, KnownModel, Resident
from stackgen.domain.units import MIB
from stackgen.engines.tabbyapi.effective import Case, cases, facts_of, reserves
from stackgen.memory.exllama.footprint import Companion, alone, footprint
from stackgen.memory.same import Same

_HISTORY: Final = 4
"""Tokens that are drafted when nobody says how many (backends/exllamav3/model.py, default_draft_size)."""


def demand(service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
    """One resident per model whose memory can be told, of which one is loaded at a time."""
    found = cases(service)
    sized = [(this, _resident(this, known)) for this in found if service.gpus]
    return Demand(
        residents=tuple(resident for _, resident in sized if resident is not None),
        limit=1,
        diagnostics=tuple(
            d for this, resident in sized if resident is None for d in _nothing_known(this, known)
        ),
        unknown=any(resident is None for _, resident in sized),
        further_models=tuple(
            sorted({this.draft.model for this in found if this.draft is not None and this.draft.model})
        ),
    )


def _resident(this: Case, known: Mapping[str, KnownModel]) -> Resident | None:
    model, facts = known.get(this.use.model.name), facts_of(this, known)
    gpus = this.service.gpus
    if model is None or facts is None or facts.format == "gguf":
        declared = this.use.model.declared
        if declared is None:
            return None
        return Resident(this.service.name, this.use.id, _declared(this, declared), pinned=this.first)
    size_of = _footprint(
        Same(facts), params_of(this, facts), free_bytes(this), companions(this, known), model.spread_percent
    )
    return Resident(
        service=this.service.name,
        use=this.use.id,
        gpus={gpu.index: memory for gpu, memory in zip(gpus, size_of.devices, strict=True)},
        host=size_of.host,
        pinned=this.first,
    )


def _declared(this: Case, size: tuple[int, int]) -> dict[int, Memory]:
    """One figure for all GPUs, dealt out as `gpu_split` says, else by their memory."""
    parts = this.keys.gpu_split or free_bytes(this)
    whole = sum(parts) or 1
    return {
        gpu.index: defaults.declared((size[0] * part // whole, size[1] * part // whole))
        for gpu, part in zip(this.service.gpus, parts, strict=False)
    }


def _nothing_known(this: Case, known: Mapping[str, KnownModel]) -> list[Diagnostic]:
    model = known.get(this.use.model.name)
    if model is not None and model.facts is None and model.diagnostics:
        return []  # told already
    text = f"nothing is known of the memory of `{this.use.model.name}`"
    hint = "let `stackgen lock` read it from the hub, or declare its memory with `vram: {low: …, high: …}`"
    return [error("tabbyapi/unknown-model", this.use.path, text, hint)]


def free_bytes(this: Case) -> tuple[int, ...]:
    """What the process may find free on each of its GPUs."""
    return tuple(max(0, gpu.capacity - gpu.reserve) for gpu in this.service.gpus)


def params_of(this: Case, facts: ModelFacts | None) -> ExllamaParams:
    """What decides the memory of a model, in ExLlama's words."""
    keys, draft = this.keys, this.draft
    single = len(this.service.gpus) == 1
    return ExllamaParams(
        backend=this.server.backend,
        cache_size=this.cache_size(facts),
        cache_mode=this.cache_mode,
        chunk_size=this.chunk_size,
        max_batch_size=keys.max_batch_size,
        max_history=(draft.draft_num_tokens or _HISTORY) if draft else 0,
        tensor_parallel=bool(keys.tensor_parallel) and not single,
        # A single GPU is not split, and keeps the reserve that TabbyAPI begins with.
        gpu_split=() if single else tuple(keys.gpu_split or ()),
        autosplit_reserve=(96 * MIB,) if single else reserves(this),
        cpu_moe_offload_layers=keys.cpu_moe_offload_layers or 0,
    )


def companions(this: Case, known: Mapping[str, KnownModel]) -> tuple[Companion, ...]:
    """What is loaded before the model: the part that sees, then the draft."""
    found: list[Companion] = []
    model, draft = known.get(this.use.model.name), this.draft
    if this.keys.vision and model is not None and model.mmproj.terms:
        sees = model.mmproj
        found.append(Companion(TermName.MMPROJ, (sees.low, sees.best, sees.high)))
    facts = facts_of(this, known)
    if draft is not None and facts is not None:
        params = ExllamaParams(
            cache_size=this.cache_size(facts),
            cache_mode=draft.draft_cache_mode or "FP16",
            chunk_size=this.chunk_size,
            max_batch_size=this.keys.max_batch_size,
            max_history=draft.draft_num_tokens or _HISTORY,
        )
        second = known.get(draft.model or "")
        drafts = second.facts if second and draft.draft_mode == "model" else None
        if draft.draft_mode == "mtp" and facts.n_layer_nextn:
            drafts = facts
        if drafts is not None:
            sizes = alone(drafts, params, prediction=draft.draft_mode == "mtp")
            found.append(Companion(TermName.DRAFT, sizes, tuple(draft.draft_gpu_split)))
    return tuple(found)


@lru_cache(maxsize=256)
def _footprint(
    model: Same,
    params: ExllamaParams,
    free: tuple[int, ...],
    before: tuple[Companion, ...],
    spread_percent: int,
) -> Footprint:
    """Advice asks again and again for a service of which one thing changed."""
    return footprint(model.facts, params, free, before, spread_percent)
