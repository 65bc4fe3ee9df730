"""What Ollama may hold in memory: one llama-server process per model."""

from collections.abc import Mapping

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.footprint import NOTHING, Memory
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import Demand, KnownModel, Limit, Resident
from stackgen.engines.ollama.effective import MODELS_PER_GPU, Case, case
from stackgen.engines.ollama.options import OllamaOptions
from stackgen.memory.served import Answer, answer


def demand(service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
    """One resident per model whose memory can be told; what it declares when it names none."""
    if not service.models:
        return defaults.declared_demand(service)
    answers = [_answer(service, case(service, u, known.get(u.model.name)), known) for u in service.models]
    return Demand(
        residents=tuple(a.resident for a in answers if a.resident is not None),
        limit=_limit(service),
        limit_option="max_loaded_models",
        diagnostics=tuple(d for a in answers for d in a.findings),
        unknown=any(a.resident is None for a in answers),
    )


def _limit(service: LinkedService) -> int | Limit:
    options: OllamaOptions = service.options
    if options.max_loaded_models == "auto":
        return Limit.AUTO
    return options.max_loaded_models or MODELS_PER_GPU * max(1, len(service.gpus))


def _answer(service: LinkedService, this: Case, known: Mapping[str, KnownModel]) -> Answer:
    model, devices = known.get(this.use.model.name), this.devices
    if len(devices) < 2 or this.options.sched_spread:
        return answer(this.served(devices), model)
    # Ollama takes whichever GPU has room, or all of them: each must be able to hold it.
    answers = [answer(this.served(on), model) for on in (*((gpu,) for gpu in devices), devices)]
    residents = [a.resident for a in answers if a.resident is not None]
    return Answer(_worst(residents) if residents else None, answers[-1].findings)


def _worst(residents: list[Resident]) -> Resident:
    def most(places: list[Memory]) -> Memory:
        return max(places, key=lambda memory: memory.high, default=NOTHING)

    indexes = {index for resident in residents for index in resident.gpus}
    return residents[-1]._replace(
        gpus={i: most([r.gpus[i] for r in residents if i in r.gpus]) for i in sorted(indexes)},
        host=most([r.host for r in residents]),
    )
