"""Names of Ollama's library as rows of the built-in catalog, before any download."""

import re
from typing import Final

from stackgen.data import load_toml
from stackgen.domain.lock import ollama_name
from stackgen.facts import catalog

SPREAD_PERCENT: Final = 4
"""How far the library's files may be from llama.cpp's recipes: Ollama keeps some tensors of Qwen3 larger."""
_USUAL: Final = "Q4_K_M"
_TAG: Final = re.compile(
    r"(?P<size>[^-]+)(?:-(?:instruct|text|chat|base|it))*(?:-(?P<quant>q\d\w*|b?f(?:p)?(?:16|32)))?",
    re.IGNORECASE,
)


def lookup(text: str, row: str | None = None) -> catalog.CatalogHit | None:
    """What the file of `name:tag` is like; `row` names the row of the catalog. None when nothing tells."""
    name, tag = ollama_name(text)
    library = load_toml("ollama_library").get(name.removeprefix("library/"), {})
    match = _TAG.fullmatch(library.get("latest", "") if tag == "latest" else tag)
    if match is None:
        return None
    shape = row or (library.get("sizes", {}).get(match["size"]) or [None])[0]
    quant = match["quant"] or library.get("quants", {}).get(match["size"]) or library.get("quant", _USUAL)
    hit = catalog.by_name(shape, quant) if shape else None
    return None if hit is None else hit._replace(spread_percent=max(hit.spread_percent, SPREAD_PERCENT))
