"""What vLLM takes of each GPU, and how many tokens of conversations find room in it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from stackgen.domain.diagnostic import error
from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Basis, Memory, Term, TermName, exact
from stackgen.domain.linked import LinkedGpu, LinkedService
from stackgen.domain.plan import Alternative, Demand, KnownModel, Resident
from stackgen.domain.units import show_size
from stackgen.engines.vllm.options import VllmOptions, limits, split
from stackgen.memory import vllm
from stackgen.memory.overhead import process_overhead

_SHARES: Final = (0.9, 0.85, 0.8, 0.7, 0.6, 0.5)


class Room(NamedTuple):
    """A GPU of the fullest stage, in bytes: its share, what is taken of it, and the cost of the cache in it."""

    share: int
    weights: int
    work: tuple[int, int, int]
    context: Term
    token: int
    state: int
    block: int

    @property
    def cache(self) -> int:
        """What is left for the cache, by our best guess."""
        return self.share - self.weights - self.work[1] - self.context.best

    @property
    def surely(self) -> int:
        """What is left when work space and driver take the most that they may."""
        return self.share - self.weights - self.work[2] - self.context.high

    def tokens(self, cache: int) -> int:
        """Tokens that find room in so much cache, in whole blocks."""
        return max(0, cache - self.state) // (self.token * self.block) * self.block if self.token else 0


def rooms(service: LinkedService, facts: ModelFacts, spread: int) -> list[Room]:
    """One for each GPU of the service, of the stage that leaves the least; `spread` widens the weights, in %."""
    options: VllmOptions = service.options
    dealt, bounds = split(service), limits(service)
    work = vllm.work_space(facts, dealt, bounds)
    candidates = [
        (
            vllm.weights(facts, dealt, stage) * (100 + spread) // 100,
            vllm.token_bytes(facts, dealt, stage, options.kv_cache_dtype),
            vllm.state_bytes(facts, dealt, stage),
        )
        for stage in range(dealt.pipeline)
    ]

    def room(gpu: LinkedGpu) -> Room:
        share = int(gpu.capacity * options.gpu_memory_utilization)
        context = process_overhead(_capability(gpu))
        found = [
            Room(share, weights, work, context, token, state, options.block_size)
            for weights, token, state in candidates
        ]
        return min(found, key=lambda r: (r.tokens(r.cache), r.cache))

    return [room(gpu) for gpu in service.gpus]


def _capability(gpu: LinkedGpu) -> str | None:
    return ".".join(map(str, gpu.compute_capability)) if gpu.compute_capability else None


def demand(service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
    """Its share of every GPU; unknown while nobody knows the model."""
    residents, unknown, findings = [], False, []
    for use in service.models:
        model = known.get(use.model.name)
        if model is None or model.facts is None:
            unknown = True
            if model is None or not model.diagnostics:
                message = f"nothing is known of the memory of `{use.model.name}`"
                hint = "let `stackgen lock` read it from the hub, or name its shape with `catalog:`"
                findings.append(error("vllm/unknown-model", use.path, message, hint))
            continue
        sized = rooms(service, model.facts, model.spread_percent)
        gpus = {gpu.index: _memory(r, model) for gpu, r in zip(service.gpus, sized, strict=True)}
        residents.append(Resident(service=service.name, use=use.id, gpus=gpus, pinned=True))
    return Demand(residents=tuple(residents), unknown=unknown, diagnostics=tuple(findings), spans_hosts=True)


def _memory(room: Room, model: KnownModel) -> Memory:
    """Together they are the share: whatever is left of it becomes cache."""
    tokens = f"{max(0, room.cache)} B hold {room.tokens(room.cache)} tokens of {room.token} B"
    return Memory(
        (
            exact(
                TermName.WEIGHTS, room.weights, model.basis, "the fullest stage, cut by tensor_parallel_size"
            ),
            _guess(
                TermName.COMPUTE,
                room.work[1],
                f"work space and graphs, {show_size(room.work[0])} to "
                f"{show_size(room.work[2])}; taken out of the same share",
            ),
            _guess(TermName.CONTEXT, room.context.best, room.context.formula),
            _guess(
                TermName.KV,
                max(0, room.cache),
                f"what is left of the share of {show_size(room.share)}: {tokens}",
            ),
        )
    )


def _guess(name: TermName, size: int, formula: str) -> Term:
    return exact(name, size, Basis.MODELLED, formula)


def alternatives(service: LinkedService) -> Iterable[Alternative]:
    """A smaller share leaves less for the cache, which is felt when many people ask at once."""
    options: VllmOptions = service.options
    for share in _SHARES:
        if share < options.gpu_memory_utilization:
            smaller = options.model_copy(update={"gpu_memory_utilization": share})
            yield Alternative(
                change=f"gpu_memory_utilization: {share}",
                cost=3,
                service=replace(service, options=smaller),
                knob="share",
                setting=str(share),
                price="fewer tokens are remembered when many ask at once",
            )
