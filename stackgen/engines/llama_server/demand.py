"""What a router may hold in memory: one process per model."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import NOTHING, Basis, Footprint, Memory, Term, TermName, total
from stackgen.domain.linked import LinkedGpu, LinkedService, LinkedUse
from stackgen.domain.llama import LlamaParams, LlamaProcess
from stackgen.domain.plan import Demand, KnownModel, Resident
from stackgen.domain.units import show_size
from stackgen.engines.llama_server.effective import Case, case, usable
from stackgen.engines.llama_server.params import to_params
from stackgen.memory.errors import Refused, UnknownArchitecture
from stackgen.memory.llama import footprint
from stackgen.memory.overhead import host_extras, process_overhead

_WAYS_OUT = (
    "let `stackgen lock` read it from the hub, name its shape with `catalog:`, "
    "or declare its memory with `vram: {low: …, high: …}`"
)
OWN_RULES = ("quantized-v-without-flash-attention", "mixed-cache-types-mla")
"""Refusals that a rule tells of where the option stands."""


def demand(service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
    """One resident per model whose memory can be told; findings for the others."""
    answers = [_answer(case(service, use), known) for use in service.models]
    return Demand(
        residents=tuple(a.resident for a in answers if a.resident is not None),
        limit=service.options.models_max,
        diagnostics=tuple(d for a in answers for d in a.findings),
        unknown=any(a.resident is None for a in answers),
        further_models=tuple(sorted({use.options.draft for use in service.models if use.options.draft})),
    )


class _Answer(NamedTuple):
    resident: Resident | None
    findings: tuple[Diagnostic, ...] = ()


def _answer(this: Case, known: Mapping[str, KnownModel]) -> _Answer:
    model = known.get(this.use.model.name)
    declared = this.use.model.declared
    if model is None or model.facts is None:
        if declared is not None:
            return _Answer(_resident(this, _declared(this, declared)))
        told = model is not None and model.diagnostics
        return _Answer(None, () if told else (_nothing_known(this),))
    try:
        return _Answer(_resident(this, _sized(this, model, model.facts, known)))
    except UnknownArchitecture as exc:
        if size := _stated(this, model):
            return _Answer(_resident(this, size))
        if declared is not None:
            return _Answer(_resident(this, _declared(this, declared)))
        message = f"`{this.use.id}`: {exc}"
        return _Answer(None, (error("llama-server/unknown-architecture", this.use.path, message, exc.hint),))
    except Refused as exc:
        if exc.kind in OWN_RULES:
            return _Answer(None)
        message = f"llama-server would not load `{this.use.id}`: {exc.message}"
        return _Answer(None, (error("llama-server/refused", this.use.path, message, exc.hint),))


def _nothing_known(this: Case) -> Diagnostic:
    message = f"nothing is known of the memory of `{this.use.model.name}`"
    return error("llama-server/unknown-model", this.use.path, message, _WAYS_OUT)


def _resident(this: Case, size: Footprint) -> Resident:
    by_index = dict(zip((gpu.index for gpu in this.devices), size.devices, strict=True))
    return Resident(
        service=this.service.name,
        use=this.use.id,
        # Every GPU that the process sees gets a context, whether or not it holds a layer.
        gpus={g.index: total((by_index.get(g.index, NOTHING), _overhead(g))) for g in this.service.gpus},
        host=size.host,
        pinned=this.own.load_on_startup,
    )


def _overhead(gpu: LinkedGpu) -> Memory:
    capability = ".".join(map(str, gpu.compute_capability)) if gpu.compute_capability else None
    return Memory((process_overhead(capability),))


def _sized(this: Case, model: KnownModel, facts: ModelFacts, known: Mapping[str, KnownModel]) -> Footprint:
    draft = known.get(this.own.draft or "")
    params, _, free = process = _process(this)
    size = _footprint(
        _Same(facts),
        # A draft model takes the context of its target, even when that is the trained one.
        replace(params, n_ctx=params.n_ctx or facts.context_length),
        free,
        _Same(draft.facts) if draft and draft.facts else None,
    )
    if model.measured:
        from stackgen.memory.measured import corrected

        size = corrected(size, facts, process, model.measured)
    return _with_projector(_widened(size, model.spread_percent), this, model.mmproj)


def _stated(this: Case, model: KnownModel) -> Footprint | None:
    """What the engine alone knows."""
    if not model.measured:
        return None
    from stackgen.memory.measured import stated

    size = stated(_process(this), model.measured)
    return size and _with_projector(size, this, model.mmproj)


def process(service: LinkedService, use: LinkedUse) -> LlamaProcess:
    """How the process for one model is started, and what it may find free."""
    return _process(case(service, use))


def _process(this: Case) -> LlamaProcess:
    return LlamaProcess(
        params=to_params(this.values, this.options.build, draft=this.own.draft is not None),
        gpus=this.devices,
        free=tuple(usable(gpu) for gpu in this.devices),
    )


class _Same:
    """Facts as the key of a cache: equal when they are the same object, which is quick to see."""

    __slots__ = ("facts",)

    def __init__(self, facts: ModelFacts) -> None:
        self.facts = facts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.facts is other.facts

    def __hash__(self) -> int:
        return id(self.facts)


@lru_cache(maxsize=1024)
def _footprint(model: _Same, params: LlamaParams, devices: tuple[int, ...], draft: _Same | None) -> Footprint:
    """Advice asks again and again for a service of which one model changed."""
    size = footprint(model.facts, params, devices, draft=draft.facts if draft else None)
    return size._replace(host=total((size.host, Memory(host_extras(model.facts, params)))))


def _with_projector(size: Footprint, this: Case, projector: Memory) -> Footprint:
    """The projector sits on the first GPU, or on the one that `mmproj_device` names (mtmd, b11434)."""
    if not projector.terms:
        return size
    if not size.devices or not this.values.get("mmproj-offload", True):
        return size._replace(host=total((size.host, projector)))
    named = "".join(filter(str.isdigit, str(this.values.get("mmproj-device", ""))))
    at = int(named) if named and int(named) < len(size.devices) else 0
    devices = tuple(total((m, projector)) if i == at else m for i, m in enumerate(size.devices))
    return size._replace(devices=devices)


def _widened(size: Footprint, percent: int) -> Footprint:
    """Weights whose recipe is approximate get an interval."""
    if not percent:
        return size
    return Footprint(tuple(_widen(memory, percent) for memory in size.devices), _widen(size.host, percent))


def _widen(memory: Memory, percent: int) -> Memory:
    return Memory(
        tuple(
            t._replace(low=t.low * (100 - percent) // 100, high=t.high * (100 + percent) // 100)
            if t.name is TermName.WEIGHTS
            else t
            for t in memory.terms
        )
    )


def _declared(this: Case, size: tuple[int, int]) -> Footprint:
    """Declared memory of the whole model, dealt to its GPUs as llama.cpp deals layers: by their memory."""
    low, high = size
    weights = [usable(gpu) for gpu in this.devices]
    whole = sum(weights)
    memories = tuple(
        Memory(
            (
                Term(
                    name=TermName.DECLARED,
                    low=low * weight // whole,
                    best=(low + high) * weight // whole // 2,
                    high=-(-high * weight // whole),
                    basis=Basis.DECLARED,
                    formula=f"declared: {show_size(low)} to {show_size(high)} on {len(weights)} GPUs",
                ),
            )
        )
        for weight in weights
    )
    return Footprint(memories)
