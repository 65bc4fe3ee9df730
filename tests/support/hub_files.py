"""Small repositories for a fake hub."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.gguf_builder import STRING, Typed, build_gguf

HEADERS = Path(__file__).parents[1] / "headers"


def put(root: Path, repo: str, files: Mapping[str, bytes]) -> None:
    """Write the files of a repository."""
    for path, data in files.items():
        target = root / repo / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def header(name: str) -> bytes:
    """A real header, without its tokenizer and without tensor data behind it."""
    return (HEADERS / f"{name}.gguf").read_bytes()


def with_tokenizer(tokens: int, *, key: str = "tokenizer.ggml.tokens") -> bytes:
    """A header of the size that real ones have: nearly all of it a list of strings."""
    words = Typed(STRING, [f"token{n}" for n in range(tokens)])
    return build_gguf({"general.architecture": "llama", key: words, "llama.block_count": 0})


def safetensors(tensors: Mapping[str, tuple[str, list[int], int]], **metadata: str) -> bytes:
    """A file with tensors of (dtype, shape, bytes), in this order, filled with zeros."""
    entries: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, (dtype, shape, size) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)
