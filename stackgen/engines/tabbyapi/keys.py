"""What stack.yaml may say to TabbyAPI: its own names, of the keys that exist (common/config_models.py, e632af4)."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from stackgen.domain.stack import SecretValue, Strict
from stackgen.domain.values import Size
from stackgen.domain.wording import Form

PAGE: Final = 256
"""Tokens of a page of the cache."""


def _cache_mode(text: str) -> str | None:
    plain = text.strip().upper().replace(" ", "")
    return {"Q4_0": "Q4", "Q8_0": "Q8", "F16": "FP16"}.get(
        plain, plain if plain in ("FP16", "FP8", "Q8", "Q6", "Q4") else None
    )


Tokens = Annotated[int, Field(ge=PAGE)]
CacheMode = Annotated[
    str,
    Field(pattern=r"^(FP16|FP8|Q8|Q6|Q4|[2-8],[2-8])$"),
    Form("`FP16`, `Q8`, `Q6`, `Q4`, or bits of keys and values from 2 to 8, such as `8,4`", _cache_mode),
]
_Folder = Annotated[str, Field(pattern=r"^/\S+$"), Form("an absolute path, such as /opt/tabbyapi")]


class DraftModel(Strict):
    """Speculative decoding: who drafts, and how far."""

    draft_mode: Literal["model", "mtp", "ngram", "disabled"] = Field(
        default="model", description="a second model, the model's own prediction blocks, or the text so far"
    )
    model: str | None = Field(default=None, description="a name under `models` of the stack")
    draft_cache_mode: Literal["FP16", "Q8", "Q6", "Q4"] | None = Field(
        default=None, description="how the draft's cache is stored; no pairs of bits here"
    )
    draft_gpu_split: list[Size] = Field(default=[], description="memory for the draft on each GPU")
    draft_num_tokens: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="tokens that are drafted at a time"
    )
    dynamic_draft: bool | None = Field(default=None, description="draft fewer tokens when few are accepted")
    ngram_match_min: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="tokens that must repeat before `ngram` drafts"
    )
    draft_rope_scale: float | None = Field(default=None, description="RoPE scale of the draft model")
    draft_rope_alpha: float | None = Field(default=None, description="RoPE alpha of the draft model")

    @model_validator(mode="after")
    def _names_a_model(self) -> "DraftModel":
        if self.draft_mode == "model" and self.model is None:
            raise ValueError("`draft_mode: model` needs `model`, a name under `models`")
        if self.draft_mode != "model" and self.model is not None:
            raise ValueError(f"`draft_mode: {self.draft_mode}` needs no `model`")
        return self


class ModelKeys(Strict):
    """How a model is loaded and served; what is left out keeps TabbyAPI's default."""

    max_seq_len: Tokens | None = Field(
        default=None, description="longest conversation in tokens; the model's own unless given"
    )
    cache_size: Annotated[int, Field(gt=0, multiple_of=PAGE)] | None = Field(
        default=None, description="tokens of all conversations together; max_seq_len unless given"
    )
    cache_mode: CacheMode | None = Field(default=None, description="how keys and values are stored")
    tensor_parallel: bool | None = Field(
        default=None, description="every layer on all GPUs, rather than some layers on each"
    )
    tensor_parallel_backend: Literal["native", "nccl"] | None = Field(
        default=None, description="how the GPUs talk: native for PCIe, nccl for NVLink"
    )
    gpu_split_auto: bool | None = Field(default=None, description="fill the GPUs one after the other")
    autosplit_reserve: list[Size] | None = Field(
        default=None, description="memory to leave on each GPU when they are filled by themselves"
    )
    gpu_split: list[Size] | None = Field(
        default=None, description="memory to use on each GPU; leave 1 GiB of each card"
    )
    cpu_moe_offload_layers: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="the first layers whose experts stay in main memory"
    )
    rope_scale: float | None = Field(default=None, description="RoPE scale")
    rope_alpha: float | Literal["auto"] | None = Field(default=None, description="RoPE alpha")
    chunk_size: Annotated[int, Field(ge=PAGE)] | None = Field(
        default=None, description="tokens of a prompt that are read at a time"
    )
    output_chunking: bool | None = Field(
        default=None, description="take cache for an answer as it grows, not all at once"
    )
    max_batch_size: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="conversations at the same time; each has a state of its own"
    )
    prompt_template: str | None = Field(default=None, description="name of a chat template")
    vision: bool | None = Field(default=None, description="load the part of the model that sees")
    template_vars_default: dict[str, Any] | None = Field(
        default=None, description="variables of the chat template, such as {enable_thinking: true}"
    )
    template_vars_force: dict[str, Any] | None = Field(
        default=None, description="the same, whatever the client says"
    )
    reasoning: bool | None = Field(default=None, description="answer with reasoning_content apart")
    reasoning_start_token: str | None = Field(default=None, description="where reasoning begins")
    reasoning_end_token: str | None = Field(default=None, description="where reasoning ends")
    start_in_reasoning: Literal["auto", "always", "never"] | None = Field(
        default=None, description="whether an answer begins with reasoning"
    )
    tool_calls_in_reasoning: bool | None = Field(default=None, description="read tool calls in reasoning")
    reasoning_budget_tokens: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="tokens after which reasoning is ended"
    )
    reasoning_budget_message: str | None = Field(
        default=None, description="what is said to the model when its budget ends"
    )
    tool_format: str | None = Field(default=None, description="how the model writes tool calls")
    harmony: bool | None = Field(default=None, description="gpt-oss's message format")
    muse_glimmer: bool | None = Field(default=None, description="Muse Glimmer's message format")
    draft_model: DraftModel | None = Field(default=None, description="speculative decoding")


class Native(Strict):
    """Where TabbyAPI is installed on a host without containers."""

    folder: _Folder = Field(description="the folder with its main.py")
    python: _Folder = Field(description="the interpreter of its virtual environment")


class ServiceKeys(ModelKeys):
    """The server, and what holds for all its models."""

    backend: Literal["exllamav3", "exllamav2"] = Field(
        default="exllamav3", description="exllamav2 for an image from before July 2026, which had it"
    )
    native: Native | None = Field(default=None, description="run an installation on the host, not an image")
    api_key: SecretValue | None = Field(default=None, description="what clients must send")
    admin_key: SecretValue | None = Field(
        default=None, description="what loads and unloads models; without it nobody can"
    )
    disable_auth: bool = Field(default=False, description="answer everybody")
    api_servers: list[Literal["OAI", "Kobold"]] | None = Field(
        default=None, description="protocols to speak, such as [OAI, Kobold]"
    )
    disable_fetch_requests: bool | None = Field(
        default=None, description="do not fetch what a request names, such as images"
    )
    send_tracebacks: bool | None = Field(default=None, description="answer with the trace of an error")
    sse_ping_interval: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="seconds between signs of life while a prompt is read; 0 = none"
    )
    log_prompt: bool | None = Field(default=None, description="log prompts")
    log_generation_params: bool | None = Field(default=None, description="log sampling parameters")
    log_requests: bool | None = Field(default=None, description="log requests")
    inline_model_loading: bool | None = Field(
        default=None, description="load the model that a request names, by its folder"
    )
    use_dummy_models: bool | None = Field(default=None, description="list models that are not there")
    dummy_model_names: list[str] | None = Field(default=None, description="their names")
    override_preset: str | None = Field(default=None, description="sampler preset, such as safe_defaults")
    embedding_model: str | None = Field(
        default=None, description="a name under `models`; needs the image with extras"
    )
    embeddings_device: Literal["cpu", "auto", "cuda"] | None = Field(
        default=None, description="where embeddings are computed"
    )
    sysmem_recurrent_cache: Size | None = Field(
        default=None, description="main memory for states of recurrent models"
    )
    sysmem_kv_cache: Size | None = Field(default=None, description="main memory as a second level of cache")
    cuda_malloc_async: bool | None = Field(
        default=None, description="CUDA's own allocator; false leaves PYTORCH_CUDA_ALLOC_CONF in force"
    )
    disable_request_streaming: bool | None = Field(default=None, description="answer in one piece")
    realtime_process_priority: bool | None = Field(default=None, description="run before other programs")
    unsafe_launch: bool | None = Field(default=None, description="start whatever version ExLlama has")
