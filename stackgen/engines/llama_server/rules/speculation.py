"""Drafting: a small model, or blocks of the model itself, that guess what comes next."""

from collections.abc import Iterator, Mapping
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, did_you_mean, error, warning
from stackgen.domain.plan import KnownModel
from stackgen.engines.llama_server.effective import Case
from stackgen.engines.llama_server.rules.cache import facts_of

_NEEDS_DRAFT: Final = frozenset({"draft-simple", "draft-eagle3", "draft-dflash", "draft-dspark"})
_VOCABULARY_SLACK: Final = 128
"""Entries by which the two vocabularies may differ (common/speculative.cpp)."""


def _kinds(this: Case) -> frozenset[str]:
    value = this.values.get("spec-type", ())
    return frozenset(str(kind) for kind in (value if isinstance(value, tuple) else (value,)))


def draft_unknown(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """A draft must be one of the stack's models, so that it is locked, downloaded and counted."""
    name = this.own.draft
    if name is None:
        return
    path = (*this.use.path, "draft")
    if name not in known:
        yield error(
            "llama-server/unknown-draft", path, f"there is no model `{name}`", did_you_mean(name, known)
        )
    elif known[name].facts is None:
        message = f"nothing is known of the draft model `{name}`, so its memory is not counted"
        yield warning("llama-server/draft-not-counted", path, message, "see what is said of the model itself")


def draft_missing(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """These kinds cannot work without a second file."""
    if this.own.draft is None and (wanting := _kinds(this) & _NEEDS_DRAFT):
        message = f"`spec_type: {min(wanting)}` needs a draft model"
        yield error(
            "llama-server/no-draft", this.at("spec-type"), message, "add `draft: NAME`, a name under `models`"
        )


def draft_speaks_otherwise(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Tokens are handed over as numbers, so both must mean the same by them."""
    target, draft = facts_of(this, known), known.get(this.own.draft or "")
    if target is None or draft is None or draft.facts is None:
        return
    if abs(target.vocab_size - draft.facts.vocab_size) > _VOCABULARY_SLACK:
        yield error(
            "llama-server/draft-vocabulary",
            (*this.use.path, "draft"),
            f"`{this.own.draft}` has a vocabulary of {draft.facts.vocab_size}, `{this.use.model.name}` of "
            f"{target.vocab_size}: they do not speak the same tokens",
            "choose a small model of the same family",
        )


def no_prediction_blocks(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """MTP uses blocks of the file itself (nextn_predict_layers)."""
    facts = facts_of(this, known)
    if (
        facts is not None
        and "draft-mtp" in _kinds(this)
        and not facts.n_layer_nextn
        and this.own.draft is None
    ):
        message = f"`{this.use.model.name}` has no blocks that predict ahead, so `draft-mtp` cannot work"
        yield error(
            "llama-server/no-prediction-blocks", this.at("spec-type"), message, "leave `spec_type` out"
        )
