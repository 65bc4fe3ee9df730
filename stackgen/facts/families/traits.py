"""How architectures compute where neither keys nor tensors tell; only what changes memory is listed.

| trait | meaning |
|---|---|
| `no_cache` | an encoder or diffusion model: all keys and values of a batch, no cache |
| `no_rope` | no rotary positions on queries and keys |
| `late_output` | the wanted rows are picked after the last block, not inside it |
| `parallel` | attention and feed-forward read the same input |
| `no_mixed_batch` | tokens and embeddings cannot share a batch, so the third input path is missing |
"""

from typing import Final

_ENCODERS = (
    "bert", "jina-bert-v2", "jina-bert-v3", "nomic-bert", "nomic-bert-moe", "neo-bert", "eurobert", "modern-bert",
    "gemma-embedding", "dream", "llada", "llada-moe", "rnd1", "clef", "wavtokenizer-dec", "llama-embed",
)  # fmt: skip

TRAITS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(_ENCODERS, ("no_cache",)),
}
