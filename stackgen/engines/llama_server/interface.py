"""How others talk to a router: the OpenAI API, with the context that each conversation really has."""

from typing import Final

from stackgen.domain.interface import Api, Interface, Scrape, ServedModel, Task
from stackgen.domain.plan import KnownModel, PlannedService
from stackgen.engines.llama_server.effective import Case, case
from stackgen.engines.llama_server.options import ServiceOptions

_LOAD: Final = 600
"""Seconds that the largest models take to load from a disk that is not quick."""


def interface(planned: PlannedService) -> Interface:
    """All models of a router under their ids."""
    service = planned.linked
    options: ServiceOptions = service.options
    cases = [case(service, use) for use in service.models]
    return Interface(
        apis={Api.OPENAI: "/v1", Api.ANTHROPIC: "", Api.PAGES: ""},
        models=tuple(_model(this, planned.known.get(this.use.model.name)) for this in cases),
        key=options.api_key,
        # Without `autoload=false`, to ask for figures would load the model and throw out another one.
        scrapes=()
        if options.router == "llama-swap"
        else tuple(
            Scrape(parameters=(("model", this.use.id), ("autoload", "false")), authorized=True)
            for this in cases
            if this.values.get("metrics")
        ),
        first_answer=_LOAD,
    )


def _model(this: Case, known: KnownModel | None) -> ServedModel:
    return ServedModel(
        id=this.use.id,
        aliases=this.own.alias,
        context=_context(this, known),
        task=_task(this),
        vision=known is not None and known.mmproj_file is not None,
    )


def _context(this: Case, known: KnownModel | None) -> int | None:
    facts = known.facts if known else None
    whole = this.number("ctx-size") or (facts.context_length if facts else 0)
    slots = 1 if this.values.get("kv-unified") else this.number("parallel", 1)
    return whole // max(1, slots) or None


def _task(this: Case) -> Task:
    if this.values.get("rerank") or this.values.get("reranking"):
        return Task.RERANK
    if this.values.get("embeddings") or this.values.get("embedding"):
        return Task.EMBEDDINGS
    return Task.CHAT
