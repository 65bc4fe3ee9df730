"""From the log of a real load to a `measured` entry for stack.yaml."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from stackgen import registry
from stackgen.app.knowledge import known_models
from stackgen.app.loading import Loaded
from stackgen.domain.calibration import Calibration
from stackgen.domain.contracts import Engine, RunsLlama
from stackgen.domain.failure import Failure
from stackgen.domain.footprint import Memory
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.llama import LlamaProcess
from stackgen.domain.loadlog import LoadLog
from stackgen.domain.plan import KnownModel, Resident

_NO_SIZES = "builds of 2026 print them from verbosity 4 on: start llama-server with `-lv 4`"


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What could be compared, and the loads that belong to no model of the stack."""

    calibrations: tuple[Calibration, ...]
    strangers: tuple[LoadLog, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    service: LinkedService
    use: LinkedUse
    model: KnownModel
    engine: Engine
    process: LlamaProcess

    @property
    def label(self) -> str:
        return f"{self.service.name}/{self.use.id}"

    def is_of(self, load: LoadLog) -> bool:
        """Whether a load names it: as a router's child, or by its file."""
        if load.instance:
            return load.instance == self.use.id
        file = PurePosixPath(load.model.replace("\\", "/")).name
        return bool(file) and file == PurePosixPath(self.model.file or "").name


def loads(text: str) -> tuple[LoadLog, ...]:
    """The loads that a log tells of. Raises Failure when it has no sizes."""
    from stackgen.formats.llama_log import parse

    found = parse(text)
    if not found:
        raise Failure("the log has no buffer sizes of a model that was loaded", _NO_SIZES)
    return found


def calibrate(loaded: Loaded, found: Sequence[LoadLog], wanted: str | None = None) -> Calibrated:
    """The loads beside the plan; `wanted` (service/model) says what the only, or the last one, is of.

    Raises Failure when nothing can be told apart.
    """
    candidates = _candidates(loaded)
    if wanted is not None:
        chosen = next((c for c in candidates if c.label == wanted), None)
        if chosen is None:
            names = ", ".join(c.label for c in candidates) or "none"
            raise Failure(f"no service of the stack runs {wanted!r} with llama.cpp", f"there is: {names}")
        named = [load for load in found if chosen.is_of(load)]
        return Calibrated((_compare(loaded, chosen, (named or list(found))[-1]),))
    pairs = [(next((c for c in candidates if c.is_of(load)), None), load) for load in found]
    if len(found) == len(candidates) == 1:
        pairs = [(candidates[0], found[0])]
    # The same model loaded twice: the later one counts.
    last = {c.label: (c, load) for c, load in pairs if c is not None}
    if not last:
        names = ", ".join(c.label for c in candidates) or "none"
        raise Failure(
            "the log does not tell which model of the stack it is of",
            f"name it with --use; there is: {names}",
        )
    return Calibrated(
        tuple(_compare(loaded, c, load) for c, load in last.values()),
        tuple(load for c, load in pairs if c is None),
    )


def _candidates(loaded: Loaded) -> list[_Candidate]:
    known = known_models(loaded.stack, loaded.lock)
    engines = {service.name: registry.engine(service.engine) for service in loaded.stack.services.values()}
    return [
        _Candidate(service, use, known[use.model.name], engine, engine.process(service, use))
        for service in loaded.stack.services.values()
        if isinstance(engine := engines[service.name], RunsLlama)
        for use in service.models
    ]


def _compare(loaded: Loaded, chosen: _Candidate, load: LoadLog) -> Calibration:
    from stackgen.plan.calibrate import compare

    demand = chosen.engine.demand(chosen.service, known_models(loaded.stack, loaded.lock))
    resident = next((r for r in demand.residents if r.use == chosen.use.id), None) or _unknown(chosen)
    gpus = tuple(gpu.index for gpu in chosen.service.gpus)
    return compare(load, resident, gpus, chosen.model.facts, chosen.process.params)


def _unknown(chosen: _Candidate) -> Resident:
    """A model that we have no figures for; a driver context it has all the same."""
    from stackgen.memory.overhead import process_overhead

    context = Memory((process_overhead(),))
    return Resident(
        service=chosen.service.name,
        use=chosen.use.id,
        gpus={gpu.index: context for gpu in chosen.service.gpus},
    )
