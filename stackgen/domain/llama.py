"""The parameters of llama.cpp that decide memory, named as llama.cpp names them."""

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from stackgen.domain.linked import LinkedGpu

LATEST_BUILD = 11434
"""The newest build whose options and memory were checked; assumed when nothing names one."""


class LlamaParams(NamedTuple):
    """llama-server's memory-relevant options; the defaults are llama-server's own."""

    build: int = LATEST_BUILD
    n_ctx: int = 0
    """0 = the model's trained context."""
    n_parallel: int = -1
    """-1 = auto: 4 slots and a unified cache."""
    kv_unified: bool | None = None
    """None = the server's rule: unified exactly when n_parallel is auto."""
    n_batch: int = 2048
    n_ubatch: int = 512
    flash_attn: Literal["auto", "on", "off"] = "auto"
    type_k: str = "f16"
    type_v: str = "f16"
    n_gpu_layers: int = -1
    """-1 = all (blocks and output layer)."""
    split_mode: Literal["none", "layer", "row", "tensor"] = "layer"
    tensor_split: tuple[float, ...] = ()
    """Empty = in proportion to the devices' free memory."""
    main_gpu: int = 0
    cpu_moe: bool = False
    n_cpu_moe: int = 0
    override_tensor: tuple[tuple[str, str], ...] = ()
    """(regular expression, buffer type) pairs; the first match wins."""
    swa_full: bool = False
    kv_offload: bool = True
    op_offload: bool = True
    embeddings: bool = False
    """Also set by --reranking and --pooling: every token of a batch is an output row."""
    all_outputs: bool = False
    """The same without an embeddings model: what llama-fit-params reserves, and servers before b9496."""
    cache_ram_mib: int = 8192
    ctx_checkpoints: int = 32
    mmproj_offload: bool = True
    spec_type: str = "none"
    spec_draft_n_max: int = 3
    draft_n_gpu_layers: int = -1
    draft_type_k: str = "f16"
    draft_type_v: str = "f16"


class LlamaProcess(NamedTuple):
    """A process of llama.cpp for one model: how it is started, its GPUs in its own order, and the bytes free there."""

    params: LlamaParams
    gpus: "tuple[LinkedGpu, ...]"
    free: tuple[int, ...]
