"""What TabbyAPI may hold in memory: one model at a time, with its draft."""

from collections.abc import Mapping

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import Demand, KnownModel
from stackgen.engines.tabbyapi.effective import cases


def demand(service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
    """One resident per model, of which one is loaded at a time."""
    return defaults.declared_demand(service, limit=1)


def further_models(service: LinkedService) -> tuple[str, ...]:
    """Models that it needs besides those that it serves."""
    drafts = {this.draft.model for this in cases(service) if this.draft and this.draft.model}
    return tuple(sorted(drafts))
