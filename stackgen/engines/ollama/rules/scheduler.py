"""What Ollama's scheduler decides for itself when a model is asked for (server/sched.go, v0.32)."""

from collections.abc import Iterator, Mapping

from stackgen.domain.diagnostic import Diagnostic, Severity, warning
from stackgen.domain.facts import ModelFacts
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import KnownModel
from stackgen.domain.units import show_size
from stackgen.engines.ollama.effective import Case, case
from stackgen.engines.ollama.options import OllamaOptions
from stackgen.memory.served import answer, usable

_SHARE = 80
"""Per cent of what is free that the prediction for a further model may take."""


def parallel_ignored(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """Some architectures serve one request at a time, whatever is asked for."""
    if this.options.num_parallel > 1 and this.num_parallel == 1 and this.facts is not None:
        what = (
            "embeddings are made"
            if this.embeds
            else f"models of the architecture {this.facts.architecture} answer"
        )
        yield warning(
            "ollama/parallel-ignored",
            this.use.path,
            f"{what} one at a time: `num_parallel` does nothing for `{this.use.id}`",
        )


def drafts_nothing(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """Only a model with prediction blocks of its own can draft for itself."""
    if this.own.draft_num_predict and this.facts is not None and not this.facts.n_layer_nextn:
        yield warning(
            "ollama/no-prediction-blocks",
            this.at("draft_num_predict"),
            f"`{this.use.id}` has no blocks that predict ahead, so it drafts nothing",
            "leave `draft_num_predict` out",
        )


def one_process_per_file(service: LinkedService) -> Iterator[Diagnostic]:
    """Loaded models are told apart by their file: names of one file take turns, each with a load in between."""
    first: dict[str, LinkedUse] = {}
    for use in service.models:
        other = first.setdefault(use.model.name, use)
        if other is not use and _runner(service, use) != _runner(service, other):
            yield Diagnostic(
                kind="ollama/one-file-two-ways",
                severity=Severity.WARNING,
                path=use.path,
                message=f"`{use.id}` and `{other.id}` are one file, of which Ollama keeps one process: whenever "
                "clients change from one name to the other, it is loaded again",
                hint="give both the same num_ctx, num_batch, num_gpu and main_gpu",
                related=((other.path, "the same file"),),
            )


def _runner(service: LinkedService, use: LinkedUse) -> tuple[object, ...]:
    this = case(service, use)
    return (this.num_ctx, this.num_batch, *(getattr(this.own, name) for name in _LOADED_WITH))


_LOADED_WITH = ("num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict")


def whichever_gpu(service: LinkedService) -> Iterator[Diagnostic]:
    """Where a model goes depends on what is free at that moment, so it is counted on each GPU in full."""
    options: OllamaOptions = service.options
    free = [use for use in service.models if use.options.main_gpu is None and use.options.num_gpu != 0]
    if len(service.gpus) > 1 and not options.sched_spread and free:
        yield warning(
            "ollama/whichever-gpu",
            (*service.path, "options", "sched_spread"),
            f"Ollama puts {', '.join(f'`{use.id}`' for use in free)} on whichever GPU has room when asked, so each GPU "
            "is planned as if it had to hold all of it",
            "`main_gpu` for each model, or sched_spread: true",
        )


def evicts_what_would_fit(service: LinkedService, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Its forecast knows neither the type of the cache nor windows, and must stay below a share of what is free."""
    options: OllamaOptions = service.options
    if options.max_loaded_models in ("auto", 1) or len(service.models) < 2 or not service.gpus:
        return
    cases = [case(service, use, known.get(use.model.name)) for use in service.models]
    sizes = {this.use.id: _taken(this, known) for this in cases}
    free = sum(usable(gpu) for gpu in service.gpus)
    for this in cases:
        if this.facts is None or not this.devices:
            continue
        others = sorted(size for name, size in sizes.items() if name != this.use.id)
        forecast, left = predicted(this.facts, this.num_ctx * this.num_parallel), free - others[0]
        if sizes[this.use.id] <= left < forecast * 100 // _SHARE:
            yield warning(
                "ollama/evicts",
                this.use.path,
                f"Ollama's own forecast for `{this.use.id}` is {show_size(forecast)}, more than {_SHARE} % of what "
                f"even the smallest other model leaves free ({show_size(left)}): it will unload others for it, "
                "whatever `max_loaded_models` says",
                "a smaller `num_ctx`, which weighs most in that forecast",
            )


def _taken(this: Case, known: Mapping[str, KnownModel]) -> int:
    resident = answer(this.served(this.devices), known.get(this.use.model.name)).resident
    return sum(memory.best for memory in resident.gpus.values()) if resident else 0


def predicted(facts: ModelFacts, context: int) -> int:
    """Bytes that Ollama expects a model to take (PredictServerVRAM): its file, and a cache in f16."""
    heads = max(1, facts.number("attention.head_count", 1))
    attention = [layer.attention for layer in facts.layers if layer.attention is not None]
    heads_kv = min((a.heads_kv for a in attention), default=1)
    width = heads_kv * (facts.embedding_length // heads)
    return facts.file_bytes + 2 * facts.n_layer * width * context * 2
