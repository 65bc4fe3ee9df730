"""Context, slots and batches."""

from collections.abc import Iterator, Mapping
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, Severity, warning
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel
from stackgen.domain.units import show_size
from stackgen.engines.llama_server.effective import Case, beating
from stackgen.engines.llama_server.params import AUTO_SLOTS
from stackgen.engines.llama_server.rules.cache import facts_of

_STRETCHES: Final = ("rope-scaling", "rope-scale", "rope-freq-base", "rope-freq-scale", "yarn-orig-ctx")


def slots_not_given(service: LinkedService) -> Iterator[Diagnostic]:
    """Without a number the server takes 4 slots (server.cpp, b7964 to b11434); recurrent state and windows times 4."""
    written = [
        service.options.values,
        beating(service.options),
        *(use.options.values for use in service.models),
    ]
    if service.models and not any("parallel" in values for values in written):
        yield Diagnostic(
            kind="llama-server/default-slots",
            severity=Severity.NOTE,
            path=(*service.path, "options"),
            message=f"`parallel` is not given, so each model has {AUTO_SLOTS} slots that share one cache",
            hint="write `parallel: 1` when one person uses it: sliding windows and recurrent state shrink to a quarter",
        )


def beyond_training(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """llama-server only logs it (n_ctx_seq > n_ctx_train)."""
    facts, context = facts_of(this, known), this.number("ctx-size")
    slots = 1 if this.values["kv-unified"] else max(1, this.number("parallel", 1))
    if facts is None or not facts.context_length or context // slots <= facts.context_length:
        return
    if not any(name in this.values for name in _STRETCHES):
        yield warning(
            "llama-server/context-beyond-training",
            this.at("ctx-size"),
            f"`{this.use.model.name}` was trained on {facts.context_length} tokens; beyond them its answers fall apart",
            f"write `context: {facts.context_length}`, or stretch it with `rope_scaling: yarn` and "
            "`yarn_orig_ctx` when its makers say that it can be",
        )


def divided_by_slots(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """A cache that is not unified gives each slot its share of the context (llama-context.cpp)."""
    slots, context = this.number("parallel", 1), this.number("ctx-size")
    if slots > 1 and not this.values["kv-unified"]:
        each = f"{context // slots} of the {context}" if context else f"a {slots}th of the"
        yield Diagnostic(
            kind="llama-server/context-per-slot",
            severity=Severity.NOTE,
            path=this.at("parallel"),
            message=f"{slots} slots divide the context: each conversation of `{this.use.id}` has {each} tokens",
            hint="write `kv_unified: true` to let all slots share the whole context, at equal memory",
        )


def sharing_overruled(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """A server that chooses the number of slots shares the cache, whatever it is told (server.cpp)."""
    written = {**this.options.values, **this.own.values, **beating(this.options)}
    if written.get("kv-unified") is False and written.get("parallel", -1) == -1:
        yield warning(
            "llama-server/sharing-overruled",
            this.at("kv-unified"),
            "`kv_unified: false` counts for nothing without `parallel`: the server takes its own number of slots "
            "and lets them share one cache",
            f"write `parallel: {AUTO_SLOTS}`",
        )


def state_per_slot(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Recurrent state is f32 and kept once per slot (llama-memory-recurrent.cpp)."""
    facts, slots = facts_of(this, known), this.number("parallel", 1)
    if facts is None or slots < 2:
        return
    one = 4 * sum(r.conv + r.state for layer in facts.layers[: facts.n_trunk] if (r := layer.recurrent))
    if one:
        yield Diagnostic(
            kind="llama-server/state-per-slot",
            severity=Severity.NOTE,
            path=this.at("parallel"),
            message=f"`{this.use.id}` keeps {show_size(one)} of recurrent state per slot, {show_size(one * slots)} "
            f"for {slots}, whatever its context",
            hint="write `parallel: 1` on this model",
        )


def full_windows(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """`swa_full` gives layers with a sliding window a cache of the whole context (llama-kv-cache-iswa.cpp)."""
    facts = facts_of(this, known)
    if not this.values.get("swa-full") or facts is None:
        return
    attentions = [layer.attention for layer in facts.layers[: facts.n_trunk] if layer.attention is not None]
    windowed = [a for a in attentions if a.window is not None]
    message = (
        f"{len(windowed)} of {len(attentions)} layers of `{this.use.model.name}` need only a window of "
        f"{windowed[0].window} tokens; `swa_full` gives them the whole context"
        if windowed
        else f"`{this.use.model.name}` has no sliding windows, so `swa_full` does nothing"
    )
    yield warning(
        "llama-server/full-windows", this.at("swa-full"), message, "leave it out, unless prompts repeat"
    )


def inputs_longer_than_batch(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """An embedding is computed in one micro-batch; longer inputs get an error (server.cpp, issue 12836)."""
    if not any(this.values.get(name) for name in ("embeddings", "reranking", "pooling")):
        return
    facts = facts_of(this, known)
    context = this.number("ctx-size") or (facts.context_length if facts else 0)
    ubatch = this.number("ubatch-size")
    if context > ubatch:
        yield warning(
            "llama-server/embedding-batch",
            this.at("ubatch-size", "embeddings", "reranking"),
            f"`{this.use.id}` refuses inputs of more than {ubatch} tokens, its micro-batch, although its context "
            f"is {context}",
            f"write `ubatch_size: {context}` and `batch_size: {context}` on this model, or a shorter context",
        )
