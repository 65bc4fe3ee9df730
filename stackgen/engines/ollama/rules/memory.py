"""Rules about one model and its memory."""

from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.plan import KnownModel
from stackgen.engines.ollama.effective import Case, by_memory
from stackgen.memory.threads import throttled

_LARGE_BY_ITSELF: Final = 32768


def cache_without_flash_attention(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """llama-server refuses a quantized cache of values without it, and Ollama tells of a failed load only."""
    old = [gpu for gpu in this.devices if gpu.compute_capability and not _has_flash(gpu.compute_capability)]
    off = this.options.flash_attention is False or (this.options.flash_attention is None and bool(old))
    if this.options.kv_cache_type != "f16" and off:
        why = f"which a {old[0].model} has not" if old else "which is off"
        yield error(
            "ollama/cache-needs-flash-attention",
            this.at("kv_cache_type"),
            f"a cache of type {this.options.kv_cache_type} needs flash attention, {why}: no model would load",
            "kv_cache_type: f16" if old else "leave `flash_attention` out",
        )


def _has_flash(capability: tuple[int, int]) -> bool:
    """As Ollama decides it (ml/device.go)."""
    return capability[0] >= 6 and capability != (7, 2)


def context_not_given(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """Ollama goes by the memory of all GPUs together, and not by what the model takes."""
    given = this.own.num_ctx or this.options.context_length
    chosen = by_memory(this.service, this.options)
    if not given and this.num_ctx >= _LARGE_BY_ITSELF:
        yield warning(
            "ollama/context-by-memory",
            this.use.path,
            f"nobody says how long the context of `{this.use.id}` is, and by the memory of its GPUs Ollama would take "
            f"{chosen}: it is planned with {this.num_ctx}",
            "num_ctx: 16384, or `context_length` for all models",
        )


def context_beyond_training(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """Ollama cuts it and says so in its log."""
    asked = this.own.num_ctx
    if asked and this.facts and asked > this.facts.context_length:
        yield warning(
            "ollama/context-cut",
            this.at("num_ctx"),
            f"`{this.use.id}` was trained for {this.facts.context_length} tokens, and Ollama gives it no more",
            f"num_ctx: {this.facts.context_length}",
        )


def layers_move_to_the_cpu(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """What does not fit is not refused: it is 5 to 30 times slower."""
    if this.options.fit == "on" and this.devices and this.own.num_gpu is None:
        yield warning(
            "ollama/fit-moves-layers",
            this.at("fit"),
            "with `fit: on` layers move to the CPU, without a word, when less is free than is planned here",
            "leave it out: what is planned here fits without it",
        )


def main_gpu_that_there_is_not(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """GPUs are counted within the service."""
    main, gpus = this.own.main_gpu, this.service.gpus
    if main is not None and main >= len(gpus):
        yield error(
            "ollama/main-gpu",
            this.at("main_gpu"),
            f"`{this.service.name}` has {len(gpus)} GPUs, and none is number {main}",
            "count within `gpus` of the service, from 0",
        )


def more_threads_than_may_run(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """More threads than `cpus` lets run at a time: the kernel stops all of them, again and again."""
    threads = this.own.num_thread
    found = throttled(this.service, threads) if threads or not this.devices else None
    if found:
        how, most = found
        yield warning(
            "ollama/throttled",
            this.at("num_thread"),
            f"`{this.use.id}` {how}",
            f"num_thread: {most}",
        )


def main_memory_unchecked(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """On the CPU a model sits in main memory, and nobody checks that there is enough."""
    if this.facts is not None and not this.devices and this.service.host.ram is None:
        yield warning(
            "ollama/ram-unchecked",
            this.at("num_gpu"),
            f"`{this.use.id}` sits in main memory, and how much `{this.service.host.name}` has is not told",
            f"add `ram` to hosts.{this.service.host.name}",
        )
