"""How others talk to it: its own protocol, and OpenAI's and Anthropic's beside it."""

from typing import Final

from stackgen.domain.interface import Api, Interface, ServedModel, Task
from stackgen.domain.plan import PlannedService
from stackgen.engines.ollama.effective import Case, case

_LOAD: Final = 600
"""Seconds that the largest models take to load from a disk that is not quick."""


def interface(planned: PlannedService) -> Interface:
    """All models under their ids."""
    service = planned.linked
    cases = [case(service, use, planned.known.get(use.model.name)) for use in service.models]
    return Interface(
        apis={Api.OLLAMA: "", Api.OPENAI: "/v1", Api.ANTHROPIC: ""},
        models=tuple(map(_model, cases)),
        first_answer=_LOAD,
    )


def _model(this: Case) -> ServedModel:
    return ServedModel(
        id=this.use.id,
        aliases=tuple(this.own.alias),
        context=this.num_ctx,
        task=Task.EMBEDDINGS if this.embeds else Task.CHAT,
        vision=this.vision,
    )
