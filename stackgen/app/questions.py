"""What the engine can be asked about a stack, model by model, and what it answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen import registry
from stackgen.domain.contracts import RunsLlama
from stackgen.domain.facts import ModelFacts
from stackgen.domain.failure import Failure
from stackgen.domain.linked import LinkedModel, LinkedService, LinkedStack, LinkedUse
from stackgen.domain.llama import LlamaProcess
from stackgen.domain.lock import Lock
from stackgen.domain.plan import KnownModel
from stackgen.domain.witness import Comparison, Statement

if TYPE_CHECKING:
    from stackgen.io.sparse import Head

_NO_HEADER = "lock it on this machine (`stackgen lock --upgrade`): the lock holds facts, the cache the header"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One model, as its process is started."""

    service: LinkedService
    use: LinkedUse
    facts: ModelFacts | None
    process: LlamaProcess

    @property
    def label(self) -> str:
        """`service/model`."""
        return f"{self.service.name}/{self.use.id}"

    def beside(self, said: Statement) -> Comparison:
        """The answer beside ours."""
        from stackgen.memory.witness import compare

        numbers = tuple(gpu.index for gpu in self.process.gpus)
        return compare(self.label, self.facts, self.process.params, self.process.free, said, numbers)


def questions(stack: LinkedStack, known: dict[str, KnownModel]) -> Iterator[Question]:
    """One for each model of each engine that runs llama.cpp."""
    for service in stack.services.values():
        engine = registry.engine(service.engine)
        if isinstance(engine, RunsLlama):
            for use in service.models:
                facts, process = known[use.model.name].facts, engine.process(service, use)
                yield Question(service=service, use=use, facts=facts, process=process)


def answers(
    asked: Sequence[Question], lock: Lock, folder: Path | None
) -> Iterator[tuple[Question | None, Statement | Failure]]:
    """The engine's answers; no question: it could not be asked at all. The stand-ins for GPUs are started once."""
    from stackgen.io import witness

    most = max((len(q.process.free) for q in asked), default=0)
    try:
        programs = witness.find(folder)
        with witness.stand_ins(programs, most) as stands:
            for q in asked:
                heads = _heads(q.use.model, lock)
                if heads is None:
                    yield q, Failure(f"`{q.label}`: there is no header to give to the engine", _NO_HEADER)
                    continue
                try:
                    yield q, witness.ask(heads, q.process.params, q.process.free, programs, stands)
                except Failure as exc:
                    yield q, Failure(f"`{q.label}`: {exc}", exc.hint)
    except Failure as exc:
        yield None, exc


def _heads(model: LinkedModel, lock: Lock) -> "tuple[Head, ...] | None":
    """The header's bytes: from the file here, from the cache that locking filled, or from the catalog."""
    from stackgen.facts.known import in_catalog
    from stackgen.io import sparse
    from stackgen.lock import freshness

    path = model.request.path
    if path is not None and Path(path).is_file():
        return sparse.from_file(Path(path))
    entry = freshness.usable({model.name: model}, lock).entries.get(model.name)
    if entry is not None:
        files = [f for f in entry.pin.files if f.path.endswith(".gguf") and f != entry.mmproj_file]
        return sparse.from_cache(files)
    hit = in_catalog(model.request)
    return sparse.from_header(hit.header) if hit else None
