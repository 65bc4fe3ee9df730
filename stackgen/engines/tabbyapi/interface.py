"""How others talk to TabbyAPI: the OpenAI API; without inline loading it answers with whatever is loaded."""

from typing import Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.interface import Api, Interface, ServedModel
from stackgen.domain.plan import PlannedService
from stackgen.engines.tabbyapi.effective import cases, facts_of, server

_LOAD: Final = 600
"""Seconds that a request may wait for another model to be loaded."""


def interface(planned: PlannedService) -> Interface:
    """The models that clients can ask for: all of them when a request loads its model, else the first."""
    keys = server(planned.linked)
    found = cases(planned.linked)
    offered = found if keys.inline_model_loading else found[:1]
    return Interface(
        apis={Api.OPENAI: "/v1"},
        models=tuple(
            ServedModel(
                id=this.use.id,
                context=this.max_seq_len(facts)
                if (facts := facts_of(this, planned.known)) or this.keys.max_seq_len
                else None,
                vision=bool(this.keys.vision),
            )
            for this in offered
        ),
        key=defaults.secret_key(keys.api_key) if keys.api_key and not keys.disable_auth else None,
        first_answer=_LOAD if keys.inline_model_loading else 60,
    )
