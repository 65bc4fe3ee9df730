"""Which Ollama an image has, and what computes in it."""

import re
from typing import Final

FIRST_WITH_LLAMA_SERVER: Final = (0, 30)
"""From here every GGUF file runs in llama-server; before, in engines of Ollama's own (pull request 16031)."""
_IMAGE: Final = re.compile(r"ollama/ollama:v?(\d+)\.(\d+)")


def older_than_llama_server(image: str | None) -> tuple[int, int] | None:
    """The version of an image that computes by engines of Ollama's own; None for others, and where nobody knows."""
    match = _IMAGE.search(image or "")
    version = (int(match[1]), int(match[2])) if match else FIRST_WITH_LLAMA_SERVER
    return version if version < FIRST_WITH_LLAMA_SERVER else None
