"""What vLLM refuses at start, or what makes it slow."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.facts import ModelFacts
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.plan import KnownModel
from stackgen.domain.units import show_size
from stackgen.engines.vllm.demand import rooms
from stackgen.engines.vllm.options import VllmOptions, split

Rule = Callable[[LinkedService, Mapping[str, KnownModel]], Iterable[Diagnostic]]


def one_model(service: LinkedService, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """A server has one model."""
    if len(service.models) != 1:
        found = "none" if not service.models else str(len(service.models))
        yield error(
            "vllm/one-model",
            (*service.path, "models") if service.models else service.path,
            f"vLLM serves one model, and `{service.name}` has {found}",
            "one service for each model, with GPUs of its own or a smaller gpu_memory_utilization",
        )


def gpus(service: LinkedService, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """As many processes as GPUs, all alike."""
    dealt, hosts = split(service), len(service.hosts)
    if not service.gpus:
        yield error("vllm/no-gpu", service.path, "vLLM's image needs a GPU", "gpus: [0]")
        return
    have, want = len(service.gpus) * hosts, dealt.tensor * dealt.pipeline
    if have != want:
        yield error(
            "vllm/parallel-size",
            (*service.path, "options"),
            f"tensor_parallel_size {dealt.tensor} x pipeline_parallel_size {dealt.pipeline} are {want} processes, "
            f"and there are {have} GPUs",
            f"tensor_parallel_size: {len(service.gpus)}, pipeline_parallel_size: {hosts}",
        )
    sizes = {gpu.capacity for host in service.hosts for gpu in host.gpus if gpu.index in _indexes(service)}
    if len(sizes) > 1:
        yield warning(
            "vllm/uneven-gpus",
            (*service.path, "gpus"),
            f"vLLM splits evenly, so the GPU of {show_size(min(sizes))} limits all of them",
            "llama-server and TabbyAPI can split by size",
        )


def _indexes(service: LinkedService) -> set[int]:
    return {gpu.index for gpu in service.gpus}


def heads(service: LinkedService, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Each GPU gets the same number of heads."""
    tensor = split(service).tensor
    for use, facts in _known(service, known):
        odd = sorted({a.heads for x in facts.layers if (a := x.attention) and a.heads % tensor})
        if odd:
            yield error(
                "vllm/heads",
                (*service.path, "gpus"),
                f"the {odd[0]} heads of `{use.model.name}` cannot be dealt to {tensor} GPUs",
                "tensor_parallel_size must divide them; more pipeline_parallel_size takes the other GPUs",
            )


def gguf(service: LinkedService, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """GGUF is an experiment there: of one file, without many architectures, and slow."""
    for use, facts in _known(service, known):
        if facts.format == "gguf":
            yield warning(
                "vllm/gguf",
                (*use.path, "model"),
                f"`{use.model.name}` has GGUF weights, which vLLM reads slowly, if at all",
                "the repository with safetensors, or llama-server for this one",
            )


def room_for_one(service: LinkedService, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """vLLM does not start when one conversation of full length finds no room."""
    for use, facts in _known(service, known):
        spread = known[use.model.name].spread_percent
        tightest = min(rooms(service, facts, spread), key=lambda r: r.tokens(r.surely), default=None)
        if tightest is None or tightest.tokens(tightest.surely) >= use.options.max_model_len:
            continue
        if tightest.cache <= 0:
            taken = show_size(tightest.weights + tightest.work[1] + tightest.context.best)
            yield error(
                "vllm/no-room",
                (*use.path, "model"),
                f"weights and work space of `{use.model.name}` take {taken} of each GPU, "
                f"its share is {show_size(tightest.share)}",
                "more GPUs, further hosts under `workers`, or a smaller quantization",
            )
            continue
        least = tightest.tokens(tightest.surely)
        yield error(
            "vllm/context",
            (*use.path, "max_model_len"),
            f"one conversation of {use.options.max_model_len} tokens may find no room: the share leaves between "
            f"{least} and {tightest.tokens(tightest.cache)} tokens, and then vLLM does not start",
            f"max_model_len: {least // 256 * 256}, or kv_cache_dtype: fp8 for twice as many"
            if least >= 256
            else "a smaller quantization, more GPUs, or kv_cache_dtype: fp8",
        )


def beyond_training(service: LinkedService, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """vLLM refuses a longer context than the model's configuration names."""
    for use, facts in _known(service, known):
        if facts.context_length and use.options.max_model_len > facts.context_length:
            yield error(
                "vllm/context-beyond-training",
                (*use.path, "max_model_len"),
                f"`{use.model.name}` was trained on {facts.context_length} tokens, and vLLM refuses more",
                f"max_model_len: {facts.context_length}",
            )


def open_to_all(service: LinkedService, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Without a key, everybody who reaches the port can use it."""
    options: VllmOptions = service.options
    if options.api_key is None and service.publish is not None and not service.publish.loopback:
        yield warning(
            "vllm/no-key",
            (*service.path, "publish"),
            f"everybody who reaches {service.publish.address}:{service.publish.port} can use `{service.name}`",
            f"options: {{api_key: {{secret: {{name: {service.name}, key: api-key}}}}}}",
        )


def _known(service: LinkedService, known: Mapping[str, KnownModel]) -> Iterator[tuple[LinkedUse, ModelFacts]]:
    for use in service.models:
        model = known.get(use.model.name)
        if model is not None and model.facts is not None:
            yield use, model.facts


RULES: Final[tuple[Rule, ...]] = (one_model, gpus, heads, gguf, room_for_one, beyond_training, open_to_all)
