"""Ollama's environment as options, and the parameters that a model of its store may carry."""

from typing import Annotated, Literal

from pydantic import Field

from stackgen.domain.stack import Strict
from stackgen.domain.values import Duration, Size
from stackgen.domain.wording import Form

_Count = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Name = Annotated[
    str,
    Field(
        pattern=r"^([A-Za-z0-9_][A-Za-z0-9_-]*/)?[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$",
        max_length=80,
    ),
    Form("a name as Ollama has them, such as qwen3:8b"),
]


class OllamaOptions(Strict):
    """Ollama's own variables in lower case; what is left out keeps its default there, unless it says otherwise."""

    keep_alive: Literal["forever"] | Duration | None = Field(
        default=None,
        description="how long a model stays loaded after its last request; 5m there; 0s = not at all",
    )
    max_loaded_models: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        default="auto",
        description="how many models may be loaded at once; auto: as many as are sure to fit; 0: three for each GPU",
    )
    num_parallel: _Count = Field(
        default=1, description="requests that a model answers at once, each with a context of its own"
    )
    context_length: Annotated[int, Field(ge=4)] | None = Field(
        default=None,
        description="tokens of context of models that say nothing; there by the memory of all GPUs",
    )
    num_batch: _Count | None = Field(
        default=None,
        description="tokens read at once, for models that say nothing; 512, of embedding models 2048",
    )
    flash_attention: bool | None = Field(
        default=None, description="there where the GPUs can and the model allows it"
    )
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] = Field(
        default="f16",
        description="type of the cache, of keys and values alike; others than f16 need flash attention",
    )
    sched_spread: bool = Field(
        default=True,
        description="spread each model over all GPUs; false: whichever GPU it fits when it is loaded",
    )
    fit: Literal["on", "off"] = Field(
        default="off", description="move layers to the CPU when a model does not fit, rather than fail"
    )
    cache_ram: Size | None = Field(
        default=None,
        description="main memory for prompts that a model has read before; 8GiB there; 0B = none",
    )
    gpu_overhead: Size | None = Field(
        default=None,
        description="memory that Ollama leaves out when it chooses a context; nothing else heeds it",
    )
    max_queue: _Count | None = Field(default=None, description="requests that may wait; 512 there")
    load_timeout: Duration | None = Field(
        default=None, description="how long a model may take to load without getting on; 5m there"
    )
    origins: list[Annotated[str, Field(pattern=r"^[^,\s]+$")]] = Field(
        default=[], description="pages that may call it from a browser, such as https://chat.example.org"
    )
    go_template: bool | None = Field(
        default=None, description="render chats by Ollama's own templates rather than by the model's"
    )
    no_cloud: bool = Field(default=True, description="never send anything to Ollama's cloud")
    no_prune: bool | None = Field(default=None, description="keep what no model refers to when it starts")
    debug: bool | None = Field(default=None, description="say more in the log")


class ModelOptions(Strict):
    """What a model's manifest in the store says besides its weights: Modelfile parameters by their own names."""

    alias: list[_Name] = Field(default=[], description="further names under which clients may ask for it")
    num_ctx: Annotated[int, Field(ge=4)] | None = Field(default=None, description="tokens of context")
    num_batch: _Count | None = Field(default=None, description="tokens read at once")
    num_gpu: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="layers on the GPUs, of which the output is one; all unless given; 0 = none"
    )
    main_gpu: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="the only GPU to use: an index into the service's `gpus`"
    )
    use_mmap: bool | None = Field(default=None, description="map the file rather than read it")
    num_thread: _Count | None = Field(default=None, description="threads on the CPU")
    draft_num_predict: _Count | None = Field(
        default=None, description="tokens to draft by the model's own prediction blocks"
    )
    system: str | None = Field(default=None, description="system message of chats that have none")
    template: str | None = Field(
        default=None, description="prompt template in Go's syntax, in place of its own"
    )
    temperature: Annotated[float, Field(ge=0)] | None = Field(default=None, description="0.8 there")
    top_k: Annotated[int, Field(ge=0)] | None = Field(default=None, description="40 there; 0 = off")
    top_p: _Share | None = Field(default=None, description="0.9 there; 1 = off")
    min_p: _Share | None = Field(default=None, description="0 there")
    typical_p: _Share | None = Field(default=None, description="1 there")
    repeat_last_n: Annotated[int, Field(ge=-1)] | None = Field(
        default=None, description="tokens in which to look for repetition; 64 there; -1 = all"
    )
    repeat_penalty: Annotated[float, Field(ge=0)] | None = Field(default=None, description="1 there")
    presence_penalty: float | None = Field(default=None, description="0 there")
    frequency_penalty: float | None = Field(default=None, description="0 there")
    seed: int | None = Field(default=None, description="-1 there: another one each time")
    num_predict: Annotated[int, Field(ge=-1)] | None = Field(
        default=None, description="longest answer in tokens; -1 there: until the model ends it"
    )
    num_keep: Annotated[int, Field(ge=-1)] | None = Field(
        default=None, description="tokens of the beginning to keep when the context is full; 4 there"
    )
    stop: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[], description="texts that end an answer"
    )
