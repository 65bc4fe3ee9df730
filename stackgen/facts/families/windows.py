"""Sliding windows: which layers have one, where the file gives no per-layer list.

`period` n: of every n layers, all but the last have the window; `dense_first`: all but the first.
A list under `attention.sliding_window_pattern` in the file overrides the period, an integer replaces it.
"""

from typing import Final, NamedTuple


class Window(NamedTuple):
    """How an architecture reads `attention.sliding_window`."""

    period: int
    dense_first: bool = False
    size: int = 0
    """The window when the file has none; 0 = then there is no window at all."""
    fixed: int = 0
    """The engine uses this size whatever the file says (a window of 0 in the file still switches it off)."""
    only_layers: int = 0
    """The rule holds only for models with so many layers."""


WINDOWS: Final = {
    "afmoe": Window(period=4),
    "cohere2": Window(period=4),
    "cohere2moe": Window(period=4, dense_first=True),
    "exaone-moe": Window(period=4, size=128),
    "exaone4": Window(period=4, size=4096, only_layers=64),
    "gemma-embedding": Window(period=6),
    "gemma2": Window(period=2, size=4096),
    "gemma3": Window(period=6),
    "gemma3n": Window(period=5),
    "gpt-oss": Window(period=2),
    "laguna": Window(period=4, dense_first=True),
    "llama4": Window(period=4, size=8192, fixed=8192),
    "mellum": Window(period=4),
    "modern-bert": Window(period=3, dense_first=True),
    "muse-glimmer": Window(period=4),
    "olmo2": Window(period=4),
    "plamo3": Window(period=8),
    "smallthinker": Window(period=4, dense_first=True, fixed=4096),
}

# The key is there but the engine does not apply it.
IGNORED: Final = frozenset({"phi3"})

# The window holds for every attention layer.
ALL_LAYERS: Final = frozenset({"lfm2", "deepseek4"})
