"""One model in one llama-server process, whichever engine starts it: what sits on each of its GPUs."""

from dataclasses import dataclass
from functools import lru_cache

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import NOTHING, Basis, Footprint, Memory, Term, TermName, total
from stackgen.domain.linked import LinkedGpu, LinkedUse
from stackgen.domain.llama import LlamaParams, LlamaProcess
from stackgen.domain.plan import KnownModel, Resident
from stackgen.domain.units import show_size
from stackgen.memory.errors import Refused, UnknownArchitecture
from stackgen.memory.llama import footprint
from stackgen.memory.overhead import host_extras, process_overhead
from stackgen.memory.same import Same

OWN_RULES = ("quantized-v-without-flash-attention", "mixed-cache-types-mla")
"""Refusals that a rule of the engine tells of where the option stands."""
_WAYS_OUT = (
    "let `stackgen lock` read it from the hub, name its shape with `catalog:`, "
    "or declare its memory with `vram: {low: …, high: …}`"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A model of a service and the process that holds it, which has a context on all of `gpus`."""

    use: LinkedUse
    process: LlamaProcess
    gpus: tuple[LinkedGpu, ...]
    projector: int | None = 0
    """The place among the process's GPUs where a projector goes; None = the host."""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A resident, or why there is none."""

    resident: Resident | None
    findings: tuple[Diagnostic, ...] = ()


def usable(gpu: LinkedGpu) -> int:
    """What llama-server may find free on a GPU, in bytes."""
    return max(0, gpu.capacity - gpu.reserve)


def answer(this: Served, known: KnownModel | None, draft: ModelFacts | None = None) -> Answer:
    """What the process takes: worked out, or as its model declares."""
    use, declared = this.use, this.use.model.declared
    foreign = known is not None and known.facts is not None and known.facts.format != "gguf"
    if known is None or known.facts is None or foreign:
        if declared is not None:
            return Answer(_resident(this, _declared(this.process, declared)))
        if foreign:
            return Answer(None, (_not_gguf(use),))
        return Answer(None, () if known and known.diagnostics else (_nothing_known(use),))
    try:
        return Answer(_resident(this, _sized(this, known, known.facts, draft)))
    except UnknownArchitecture as exc:
        if size := _stated(this, known):
            return Answer(_resident(this, size))
        if declared is not None:
            return Answer(_resident(this, _declared(this.process, declared)))
        message = f"`{use.id}`: {exc}"
        return Answer(None, (error("engine/unknown-architecture", use.path, message, exc.hint),))
    except Refused as exc:
        if exc.kind in OWN_RULES:
            return Answer(None)
        message = f"llama-server would not load `{use.id}`: {exc.message}"
        return Answer(None, (error("engine/refused", use.path, message, exc.hint),))


def _nothing_known(use: LinkedUse) -> Diagnostic:
    message = f"nothing is known of the memory of `{use.model.name}`"
    return error("engine/unknown-model", use.path, message, _WAYS_OUT)


def _not_gguf(use: LinkedUse) -> Diagnostic:
    message = f"`{use.model.name}` is stored for another engine, and llama.cpp reads GGUF files"
    hint = "name a repository with GGUF files; EXL3 weights are for the engine tabbyapi"
    return error("engine/not-gguf", (*use.model.path, use.model.request.source[0]), message, hint)


def _resident(this: Served, size: Footprint) -> Resident:
    by_index = dict(zip((gpu.index for gpu in this.process.gpus), size.devices, strict=True))
    return Resident(
        service=this.use.service,
        use=this.use.id,
        # Every GPU that the process sees gets a context, whether or not it holds a layer.
        gpus={g.index: total((by_index.get(g.index, NOTHING), _overhead(g))) for g in this.gpus},
        host=size.host,
        pinned=this.pinned,
    )


def _overhead(gpu: LinkedGpu) -> Memory:
    capability = ".".join(map(str, gpu.compute_capability)) if gpu.compute_capability else None
    return Memory((process_overhead(capability),))


def _sized(this: Served, known: KnownModel, facts: ModelFacts, draft: ModelFacts | None) -> Footprint:
    params, _, free = this.process
    size = _footprint(
        Same(facts),
        # A draft model takes the context of its target, even when that is the trained one.
        params._replace(n_ctx=params.n_ctx or facts.context_length),
        free,
        None if draft is None else Same(draft),
    )
    if known.measured:
        from stackgen.memory.measured import corrected

        size = corrected(size, facts, this.process, known.measured)
    return _with_projector(_widened(size, known.spread_percent), this, known.mmproj)


def _stated(this: Served, known: KnownModel) -> Footprint | None:
    """What the engine alone knows."""
    if not known.measured:
        return None
    from stackgen.memory.measured import stated

    size = stated(this.process, known.measured)
    return size and _with_projector(size, this, known.mmproj)


@lru_cache(maxsize=1024)
def _footprint(model: Same, params: LlamaParams, devices: tuple[int, ...], draft: Same | None) -> Footprint:
    """Advice asks again and again for a service of which one model changed."""
    size = footprint(model.facts, params, devices, draft=draft.facts if draft else None)
    return size._replace(host=total((size.host, Memory(host_extras(model.facts, params)))))


def _with_projector(size: Footprint, this: Served, projector: Memory) -> Footprint:
    if not projector.terms:
        return size
    if not size.devices or this.projector is None:
        return size._replace(host=total((size.host, projector)))
    at = this.projector
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


def _declared(process: LlamaProcess, size: tuple[int, int]) -> Footprint:
    """Declared memory of the whole model, dealt to its GPUs as llama.cpp deals layers: by their memory."""
    low, high = size
    weights = process.free
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
