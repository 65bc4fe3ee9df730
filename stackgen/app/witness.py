"""The engine's own figures beside ours: for one file, and for every llama-server model of a plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen.app.loading import Loaded
from stackgen.domain.diagnostic import Diagnostic, YamlPath, error, warning
from stackgen.domain.facts import ModelFacts
from stackgen.domain.failure import Failure
from stackgen.domain.linked import LinkedUse
from stackgen.domain.llama import LlamaParams
from stackgen.domain.plan import Plan
from stackgen.domain.witness import TERMS, TOLERANCE, Comparison

if TYPE_CHECKING:
    from stackgen.io.sparse import Head

LLAMA_SERVER = "llama-server"
_NO_HEADER = "lock it on this machine (`stackgen lock --upgrade`): the lock holds facts, the cache the header"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """One model of a plan, as its process is started."""

    label: str
    path: YamlPath
    facts: ModelFacts | None
    params: LlamaParams
    devices: tuple[int, ...]
    numbers: tuple[int, ...]
    heads: "tuple[Head, ...] | None"


def of_file(model: Path, params: LlamaParams, devices: tuple[int, ...], folder: Path | None) -> Comparison:
    """One file on devices of these free bytes. Raises WitnessError, FormatError and FactsError."""
    from stackgen.facts.derive import derive
    from stackgen.io import sparse, witness
    from stackgen.io.local import read_gguf
    from stackgen.memory.witness import compare

    programs = witness.find(folder)
    said = witness.witness(sparse.from_file(model), params, devices, programs)
    return compare(model.name, derive(read_gguf(model)), params, devices, said)


def of_plan(loaded: Loaded, planned: Plan, folder: Path | None) -> tuple[Plan, tuple[Comparison, ...]]:
    """Every model of every llama-server; the plan gets a finding for each that differs or was not answered."""
    from stackgen.spec import allow

    comparisons: list[Comparison] = []
    found: list[Diagnostic] = []
    for path, answer in _answers(list(_questions(loaded, planned)), folder):
        if isinstance(answer, Comparison):
            comparisons.append(answer)
            found += differences(answer, path)
        else:
            found.append(unavailable(path, str(answer), answer.hint))
    # Only what is new is looked at: unused entries were told of with the plan itself.
    noted = allow.apply(found, loaded.stack.stack.allow)[: len(found)]
    return replace(planned, diagnostics=(*planned.diagnostics, *noted)), tuple(comparisons)


def _answers(
    questions: Sequence[_Question], folder: Path | None
) -> Iterator[tuple[YamlPath, Comparison | Failure]]:
    """The engine's answers; the stand-ins for GPUs are started once."""
    from stackgen.io import witness
    from stackgen.memory.witness import compare

    most = max((len(q.devices) for q in questions), default=0)
    try:
        programs = witness.find(folder)
        with witness.stand_ins(programs, most) as stands:
            for q in questions:
                if q.heads is None:
                    yield (
                        q.path,
                        Failure(f"`{q.label}`: there is no header to give to the engine", _NO_HEADER),
                    )
                    continue
                try:
                    said = witness.ask(q.heads, q.params, q.devices, programs, stands)
                except Failure as exc:
                    yield q.path, Failure(f"`{q.label}`: {exc}", exc.hint)
                else:
                    yield q.path, compare(q.label, q.facts, q.params, q.devices, said, q.numbers)
    except Failure as exc:
        yield (), exc


def unavailable(path: YamlPath, message: str, hint: str | None) -> Diagnostic:
    """The engine was asked for and did not answer: nobody must take silence for agreement."""
    return error("oracle/unavailable", path, message, hint)


def differences(compared: Comparison, path: YamlPath) -> Iterator[Diagnostic]:
    """A warning for each model of which we and the engine do not say the same."""
    if not compared.differs:
        return
    parts = [
        f"{place.name} {term} {off:+} MiB"
        for place in compared.places
        for term, off in zip(TERMS, place.differences or (), strict=False)
        if abs(off) > TOLERANCE
    ]
    yield warning(
        "oracle/differs",
        path,
        f"`{compared.label}`: our figures less llama-fit-params {compared.build}: {', '.join(parts)}",
        "plan with the larger; please report the model and the arguments shown",
    )


def _questions(loaded: Loaded, planned: Plan) -> Iterator[_Question]:
    from stackgen.engines.llama_server.demand import free_bytes, params_of
    from stackgen.engines.llama_server.effective import case

    for service in planned.services.values():
        for use in service.linked.models if service.linked.engine == LLAMA_SERVER else ():
            this, model = case(service.linked, use), service.known.get(use.model.name)
            yield _Question(
                label=f"{service.linked.name}/{use.id}",
                path=use.path,
                facts=model.facts if model else None,
                params=params_of(this),
                devices=free_bytes(this),
                numbers=tuple(gpu.index for gpu in this.devices),
                heads=_heads(loaded, use),
            )


def _heads(loaded: Loaded, use: LinkedUse) -> "tuple[Head, ...] | None":
    """The header's bytes: from the file here, from the cache that locking filled, or from the catalog."""
    from stackgen.facts.known import in_catalog
    from stackgen.io import sparse
    from stackgen.lock import freshness

    model = use.model
    path = model.request.path
    if path is not None and Path(path).is_file():
        return sparse.from_file(Path(path))
    entry = freshness.usable({model.name: model}, loaded.lock).entries.get(model.name)
    if entry is not None:
        files = [f for f in entry.pin.files if f.path.endswith(".gguf") and f != entry.mmproj_file]
        return sparse.from_cache(files)
    hit = in_catalog(model.request)
    return sparse.from_header(hit.header) if hit else None
