"""What a router may hold in memory: one process per model."""

from collections.abc import Mapping

from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.llama import LlamaProcess
from stackgen.domain.plan import Demand, KnownModel
from stackgen.engines.llama_server.effective import Case, case
from stackgen.engines.llama_server.params import to_params
from stackgen.memory.served import Answer, Served, answer, usable


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


def _answer(this: Case, known: Mapping[str, KnownModel]) -> Answer:
    draft = known.get(this.own.draft or "")
    served = Served(
        use=this.use,
        process=_process(this),
        gpus=this.service.gpus,
        projector=_projector(this),
        pinned=this.own.load_on_startup,
    )
    return answer(served, known.get(this.use.model.name), draft.facts if draft else None)


def _projector(this: Case) -> int | None:
    """The projector sits on the first GPU, or on the one that `mmproj_device` names (mtmd, b11434)."""
    if not this.values.get("mmproj-offload", True):
        return None
    named = "".join(filter(str.isdigit, str(this.values.get("mmproj-device", ""))))
    return int(named) if named and int(named) < len(this.devices) else 0


def process(service: LinkedService, use: LinkedUse) -> LlamaProcess:
    """How the process for one model is started, and what it may find free."""
    return _process(case(service, use))


def _process(this: Case) -> LlamaProcess:
    return LlamaProcess(
        params=to_params(this.values, this.options.build, draft=this.own.draft is not None),
        gpus=this.devices,
        free=tuple(usable(gpu) for gpu in this.devices),
    )
