"""The cache: how long, how large, and how it is stored."""

from collections.abc import Iterator, Mapping

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.plan import KnownModel
from stackgen.engines.tabbyapi.effective import Case, facts_of
from stackgen.engines.tabbyapi.keys import PAGE


def smaller_than_context(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Conversations are cut to the cache, with a line in the log (backends/exllamav3/model.py)."""
    wanted, size = this.keys.max_seq_len, this.keys.cache_size
    if wanted and size and size < wanted:
        yield warning(
            "tabbyapi/cache-too-small",
            this.at("cache_size"),
            f"a conversation must fit into the cache, so `max_seq_len: {wanted}` becomes {size}",
            f"cache_size: {-(-wanted // 256) * 256}, or max_seq_len: {size}",
        )


def modes_of_the_other_backend(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """FP8 went with ExLlamaV2, pairs came with ExLlamaV3 (common/config_models.py, CACHE_TYPE)."""
    mode, backend = this.cache_mode, this.server.backend
    if mode == "FP8" and backend == "exllamav3":
        instead = "cache_mode: Q8"
    elif "," in mode and backend == "exllamav2":
        instead = "cache_mode: Q8, Q6 or Q4"
    else:
        return
    yield error(
        "tabbyapi/cache-mode", this.at("cache_mode"), f"{backend} has no `cache_mode: {mode}`", instead
    )


def beyond_training(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Beyond the trained context a model answers nonsense, unless RoPE is stretched."""
    facts, wanted = facts_of(this, known), this.keys.max_seq_len
    stretched = this.keys.rope_scale or this.keys.rope_alpha
    if facts and wanted and facts.context_length and wanted >= facts.context_length + PAGE and not stretched:
        yield warning(
            "tabbyapi/beyond-training",
            this.at("max_seq_len"),
            f"`{this.use.model.name}` was trained on {facts.context_length} tokens; beyond, answers get worse",
            f"max_seq_len: {facts.context_length}, or rope_alpha: auto",
        )
