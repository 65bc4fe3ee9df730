"""What a load log of llama-server says of memory. Sizes in bytes, as far as its two decimals of a MiB go."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Buffers:
    """What was allocated on one device, or in one kind of main memory."""

    model: int = 0
    kv: int = 0
    recurrent: int = 0
    compute: int = 0
    output: int = 0
    projector: int = 0
    """Weights and compute buffer of the multimodal projector."""
    draft: int = 0
    """All buffers of a draft model, and those of a second context over the same weights (MTP)."""
    adapter: int = 0
    """LoRA."""

    @property
    def total(self) -> int:
        """All of it."""
        parts = (self.model, self.kv, self.recurrent, self.compute, self.output)
        return sum(parts) + self.projector + self.draft + self.adapter


@dataclass(frozen=True, kw_only=True, slots=True)
class Breakdown:
    """One row of the table that the engine prints when it ends, in whole MiB."""

    model: int
    context: int
    compute: int
    total: int | None = None
    free: int | None = None
    unaccounted: int | None = None
    """Of the whole card: this process's driver context, and whatever else is on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogDevice:
    """A GPU as the log names it; `free` in bytes before the load."""

    name: str
    description: str = ""
    free: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadLog:
    """One model that was really loaded; dry runs of `--fit` are left out."""

    model: str = ""
    """The file's path as it was given."""
    instance: str = ""
    """Under which name a router started it."""
    build: str = ""
    """`b8829`, where the log tells."""
    devices: tuple[LogDevice, ...] = ()
    buffers: Mapping[str, Buffers] = field(default_factory=dict)
    """By buffer name, such as CUDA0, CUDA_Host or CPU_Mapped."""
    breakdown: Mapping[str, Breakdown] = field(default_factory=dict)
    """By device name, and Host."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """n_ctx, n_batch, n_ubatch, n_seq_max, flash_attn, kv_unified, type_k, type_v, as the engine prints them."""
    fitted: tuple[str, ...] = ()
    """What `--fit` changed, in its own words."""
