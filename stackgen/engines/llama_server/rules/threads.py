"""What computes on the CPU, and how much of it may run."""

from collections.abc import Iterator, Mapping
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, warning
from stackgen.domain.plan import KnownModel
from stackgen.engines.llama_server.effective import Case
from stackgen.engines.llama_server.rules.cache import facts_of
from stackgen.memory.threads import throttled

_KEEP_ON_CPU: Final = ("cpu-moe", "n-cpu-moe", "n-cpu-ffn", "override-tensor")


def more_than_may_run(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """More threads than `cpus` lets run at a time: the kernel stops all of them, again and again."""
    told = this.number("threads", -1)
    if told < 1 and not _on_cpu(this, known):
        return
    if found := throttled(this.service, told if told > 0 else None):
        how, most = found
        yield warning(
            "llama-server/throttled",
            this.at("threads"),
            f"`{this.use.id}` {how}",
            f"threads: {most}",
        )


def _on_cpu(this: Case, known: Mapping[str, KnownModel]) -> bool:
    """Whether any of its layers or experts stay there."""
    facts, layers = facts_of(this, known), this.values.get("n-gpu-layers")
    some = isinstance(layers, int) and facts is not None and 0 <= layers < facts.n_layer
    return not this.devices or some or any(this.values.get(name) for name in _KEEP_ON_CPU)
