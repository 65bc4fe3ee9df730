"""Speculative decoding."""

from collections.abc import Iterator, Mapping

from stackgen.domain.diagnostic import Diagnostic, did_you_mean, error
from stackgen.domain.plan import KnownModel
from stackgen.engines.tabbyapi.effective import Case, facts_of


def unknown(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """A draft model is a model of the stack."""
    if this.draft and this.draft.model and this.draft.model not in known:
        yield error(
            "tabbyapi/unknown-draft",
            (*this.at("draft_model"), "model"),
            f"there is no model `{this.draft.model}`",
            did_you_mean(this.draft.model, known) or "add it under `models` of the stack",
        )


def no_prediction_blocks(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """`mtp` loads a component that most models do not have, and fails (Model.from_config)."""
    facts = facts_of(this, known)
    if this.draft and this.draft.draft_mode == "mtp" and facts and not facts.n_layer_nextn:
        yield error(
            "tabbyapi/no-prediction-blocks",
            (*this.at("draft_model"), "draft_mode"),
            f"`{this.use.model.name}` has no blocks that predict ahead",
            "draft_mode: ngram, or a draft model",
        )
