"""The parameters of ExLlama that decide memory, named as ExLlama and TabbyAPI name them."""

from dataclasses import dataclass
from typing import Literal

from stackgen.domain.units import MIB

PAGE_SIZE = 256
"""Tokens of a page of the cache (exllamav3/constants.py)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExllamaParams:
    """What a model is loaded with; sizes in bytes."""

    backend: Literal["exllamav3", "exllamav2"] = "exllamav3"
    cache_size: int
    """Tokens of all conversations together: whole pages."""
    cache_mode: str = "FP16"
    """FP16, FP8, Q8, Q6, Q4, or bits of keys and values such as 8,4."""
    chunk_size: int = 2048
    max_batch_size: int | None = None
    """None = TabbyAPI's own: 4 for models with a state per conversation, else 128."""
    max_history: int = 0
    """Drafted tokens that a recurrent state can be taken back by."""
    tensor_parallel: bool = False
    gpu_split: tuple[int, ...] = ()
    """What PyTorch may allocate on each GPU; empty = all that is free but for the reserve."""
    autosplit_reserve: tuple[int, ...] = (96 * MIB,)
    """What is left free on each GPU; those that are not listed leave half a GiB."""
    cpu_moe_offload_layers: int = 0
    prediction: bool = False
    """Whether the model's own prediction blocks are loaded as its draft."""
