"""The options of vLLM that decide memory, speed and what it understands; their names are vLLM's own."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from stackgen.domain.linked import LinkedService
from stackgen.domain.stack import SecretValue, Strict
from stackgen.domain.units import GIB
from stackgen.memory.vllm import Limits, Split

IMAGE: Final = "docker.io/vllm/vllm-openai:v0.33.0"
SHARE: Final = 0.92
"""vLLM's own share of a GPU's memory (vllm/config/cache.py, gpu_memory_utilization)."""
_SEQUENCES: Final = 256
_LARGE_GPU: Final = 70 * GIB
Count = Annotated[int, Field(ge=1)]

OWN: Final = frozenset(
    {
        *("--model", "--served-model-name", "--host", "--port", "--api-key"),
        *("--tensor-parallel-size", "-tp", "--pipeline-parallel-size", "-pp", "--max-model-len"),
        *("--gpu-memory-utilization", "--max-num-seqs", "--max-num-batched-tokens", "--kv-cache-dtype"),
        *("--block-size", "--enforce-eager", "--quantization", "-q", "--tool-call-parser"),
        *("--enable-auto-tool-choice", "--reasoning-parser", "--chat-template", "--kv-cache-memory-bytes"),
        *("--distributed-executor-backend", "--nnodes", "-n", "--node-rank", "-r", "--master-addr"),
        *("--master-port", "--headless", "--cpu-offload-gb"),
    }
)
"""What follows from the stack, or would make the plan count wrong."""


def _argument(text: str) -> str:
    if text.split("=", maxsplit=1)[0].replace("_", "-") in OWN:
        raise ValueError(f"{text!r} follows from the stack or has an option of its own")
    return text


class VllmOptions(Strict):
    """vLLM's own options; what is left out keeps its default there, or follows from the stack."""

    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = Field(
        default=SHARE,
        description="share of each GPU's memory that it takes at once, whatever the model needs",
    )
    tensor_parallel_size: Count | None = Field(
        default=None, description="GPUs that each layer is split over; all of a host unless told"
    )
    pipeline_parallel_size: Count | None = Field(
        default=None, description="stages of layers; one per host unless told"
    )
    max_num_seqs: Count = Field(default=_SEQUENCES, description="requests that are worked on at once")
    max_num_batched_tokens: Count | None = Field(
        default=None, description="tokens of one step; 8192 on GPUs of 70 GiB and more, else 2048"
    )
    kv_cache_dtype: Literal["auto", "bfloat16", "float16", "fp8", "fp8_e4m3", "fp8_e5m2"] = Field(
        default="auto", description="type of the KV cache; fp8 halves it"
    )
    block_size: Literal[8, 16, 32, 64, 128] = Field(default=16, description="tokens of a cache block")
    quantization: str | None = Field(
        default=None, description="how the weights are quantized, when their files do not say it"
    )
    enforce_eager: bool = Field(
        default=False, description="record no CUDA graphs: less memory, slower answers"
    )
    tool_call_parser: str | None = Field(
        default=None, description="how this model writes tool calls, such as hermes or qwen3_coder"
    )
    reasoning_parser: str | None = Field(default=None, description="how it marks its thoughts, such as qwen3")
    api_key: SecretValue | None = Field(default=None, description="what clients must send")
    args: list[Annotated[str, AfterValidator(_argument)]] = Field(
        default=[], description="further arguments, such as --enable-expert-parallel"
    )


class VllmModel(Strict):
    """Its model."""

    max_model_len: Count = Field(description="tokens of the longest conversation")
    alias: list[str] = Field(default=[], description="further names under which clients ask for it")


def split(service: LinkedService) -> Split:
    """How the model is dealt out, unless told: each layer over a host's GPUs, the layers over the hosts."""
    options: VllmOptions = service.options
    return Split(
        tensor=options.tensor_parallel_size or max(1, len(service.gpus)),
        pipeline=options.pipeline_parallel_size or len(service.hosts),
    )


def limits(service: LinkedService) -> Limits:
    """What decides work space; written out for vLLM, so that both count with the same."""
    options: VllmOptions = service.options
    large = all(gpu.capacity >= _LARGE_GPU for gpu in service.gpus)
    return Limits(
        max_num_seqs=options.max_num_seqs,
        max_num_batched_tokens=options.max_num_batched_tokens or (8192 if large else 2048),
        cuda_graphs=not options.enforce_eager,
    )
