"""Compares what llama-server logged with what was planned, place by place and term by term."""

import re
from collections.abc import Iterator, Mapping, Sequence

from stackgen.domain.calibration import Calibration, Row
from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import NOTHING, Memory, TermName
from stackgen.domain.llama import LlamaParams
from stackgen.domain.loadlog import Breakdown, Buffers, LoadLog
from stackgen.domain.plan import Resident
from stackgen.domain.units import MIB
from stackgen.memory.errors import Refused
from stackgen.memory.geometry import geometry

_GPU = re.compile(r"(RPC|[A-Z][A-Za-z]*?)(\d+)(\[.*\])?")
_TERMS: tuple[tuple[str, tuple[TermName, ...]], ...] = (
    ("weights", (TermName.WEIGHTS,)),
    ("KV", (TermName.KV,)),
    ("state", (TermName.RECURRENT,)),
    ("compute", (TermName.COMPUTE,)),
    ("projector", (TermName.MMPROJ,)),
    ("draft", (TermName.DRAFT,)),
)


def compare(
    load: LoadLog,
    resident: Resident,
    gpus: Sequence[int],
    facts: ModelFacts | None,
    params: LlamaParams,
) -> Calibration:
    """A logged load beside the resident that it should be; `gpus` are its service's, in order."""
    named = _by_gpu(tuple(load.buffers) or tuple(load.breakdown), gpus)
    rows: list[Row] = []
    sizes: list[int] = []
    outside: list[int] = []
    for index in gpus:
        ours = resident.gpus.get(index, NOTHING)
        names = [name for name, at in named.items() if at == index]
        logged = _logged(load, names)
        rest = _unaccounted(load, index, gpus)
        logged_rest = {} if rest is None else {"overhead": rest}
        rows += _rows(f"GPU {index}", ours, logged | logged_rest)
        outside.append(sum(t.high for t in ours.of(TermName.CONTEXT)) if rest is None else rest)
        sizes.append(sum(logged.values()) + outside[-1])
    rows += _rows("host", resident.host, _host(load, named))
    return Calibration(
        label=resident.label,
        build=load.build,
        rows=tuple(rows),
        gpus=tuple(sizes),
        reason=_reason(load, outside, params.build),
        mismatches=(*_strangers(load, named), *_settings(load, facts, params)),
        notes=tuple(_notes(load)),
    )


def _by_gpu(names: Sequence[str], gpus: Sequence[int]) -> dict[str, int]:
    """The GPU of the host behind each buffer name: CUDA1 is the second that the process sees."""
    found: dict[str, int] = {}
    for name in names:
        match = _GPU.fullmatch(name)
        if match is None:
            continue
        # Every RPC server counts its devices from 0; they follow each other as they are listed.
        number = len(found) if match[1] == "RPC" else int(match[2])
        if number < len(gpus):
            found[name] = gpus[number]
    return found


def _logged(load: LoadLog, names: Sequence[str]) -> dict[str, int]:
    """What was allocated on one GPU, by term; from the table in the end when the log has nothing else."""
    if load.buffers:
        return _terms([load.buffers[name] for name in names])
    rows: list[Breakdown] = [load.breakdown[name] for name in names]
    return {
        "weights": sum(row.model for row in rows) * MIB,
        "KV + state": sum(row.context for row in rows) * MIB,
        "compute": sum(row.compute for row in rows) * MIB,
    }


def _terms(buffers: Sequence[Buffers]) -> dict[str, int]:
    return {
        "weights": sum(b.model + b.adapter for b in buffers),
        "KV": sum(b.kv for b in buffers),
        "state": sum(b.recurrent for b in buffers),
        "compute": sum(b.compute for b in buffers),
        "projector": sum(b.projector for b in buffers),
        "draft": sum(b.draft for b in buffers),
    }


def _unaccounted(load: LoadLog, index: int, gpus: Sequence[int]) -> int | None:
    """What the engine's last table found outside of its buffers on a GPU."""
    for name, at in _by_gpu(tuple(load.breakdown), gpus).items():
        rest = load.breakdown[name].unaccounted
        if at == index and rest is not None:
            return rest * MIB
    return None


def _host(load: LoadLog, named: Mapping[str, int]) -> dict[str, int]:
    """Main memory: mapped weights are left out, for a log counts ranges of the file, not RAM."""
    terms = _terms([b for name, b in load.buffers.items() if name not in named and not _GPU.fullmatch(name)])
    if any(name.endswith("_Mapped") for name in load.buffers):
        del terms["weights"]
    return terms


def _rows(place: str, ours: Memory, logged: Mapping[str, int]) -> Iterator[Row]:
    wanted = (*_TERMS, ("KV + state", (TermName.KV, TermName.RECURRENT)), ("overhead", (TermName.CONTEXT,)))
    for term, names in wanted:
        terms = ours.of(*names)
        if term in logged and (logged[term] or any(t.high for t in terms)):
            yield Row(
                place=place,
                term=term,
                low=sum(t.low for t in terms),
                best=sum(t.best for t in terms),
                high=sum(t.high for t in terms),
                logged=logged[term],
            )


def _reason(load: LoadLog, outside: Sequence[int], planned_build: int) -> str:
    build = f"llama-server {load.build or f'b{planned_build} (as planned; the log names no build)'}"
    sizes = ", ".join(f"{-(-size // MIB)}" for size in outside)
    how = "found by it" if load.breakdown else "assumed"
    return f"load log of {build}: its buffers, and {sizes} MiB outside of them ({how})"


def _strangers(load: LoadLog, named: Mapping[str, int]) -> Iterator[str]:
    names = [n for n in load.buffers if _GPU.fullmatch(n) and n not in named]
    if names:
        yield f"the log has {', '.join(names)}, which the service has not"
    if not named:
        yield "the log puts nothing on a GPU"


def _settings(load: LoadLog, facts: ModelFacts | None, params: LlamaParams) -> Iterator[str]:
    """Settings that decide memory and are otherwise in the log than in the plan."""
    if facts is None:
        return
    try:
        geo = geometry(facts, params)
    except Refused:
        return
    planned = {
        "n_ctx": str(geo.n_ctx_seq * geo.n_stream),
        "n_ubatch": str(geo.n_ubatch_asked),
        "n_seq_max": str(geo.n_seq),
        "kv_unified": str(geo.unified).lower(),
        "type_k": params.type_k,
        "type_v": params.type_v,
    }
    for name, value in planned.items():
        logged = load.settings.get(name, value)
        if logged != value and not (name == "kv_unified" and geo.n_seq == 1):
            yield f"{name} is {logged} in the log and {value} in the plan"


def _notes(load: LoadLog) -> Iterator[str]:
    if load.fitted:
        yield f"`--fit` changed what was asked for: {load.fitted[-1]}"
    if any(name.endswith("_Mapped") for name in load.buffers):
        yield "weights on the host are mapped from the file: the log counts ranges of it, so they are not compared"
    if not load.breakdown:
        yield "the log has no memory breakdown, so the driver's part is the planned upper bound"
