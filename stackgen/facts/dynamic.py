"""Quantizations that choose types in unpublished ways: a recipe moved to the size of their files."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from stackgen.data import load_toml
from stackgen.facts.layouts import Tensor
from stackgen.facts.quantize import assign, category, stored_bytes
from stackgen.facts.recipes import RECIPES
from stackgen.facts.shapes import Shape

_LADDER: Final = (
    "iq1_s",
    "iq2_xxs",
    "iq2_s",
    "iq3_xxs",
    "q3_K",
    "iq4_xs",
    "q4_K",
    "q5_K",
    "q6_K",
    "q8_0",
    "f16",
)
_MORE: Final = dict(pairwise(_LADDER)) | {
    "iq1_m": "iq2_xxs",
    "iq2_xs": "iq2_s",
    "q2_K": "iq3_xxs",
    "iq3_s": "iq4_xs",
}
_LESS: Final = {b: a for a, b in pairwise(_LADDER)} | {
    "iq2_xs": "iq2_xxs",
    "q2_K": "iq2_s",
    "iq3_s": "iq3_xxs",
}
_BULK: Final = ("ffn_down", "ffn_gate", "ffn_up", "attn_v", "attn_output", "attn_k", "attn_q", "other")


def names() -> Sequence[str]:
    """The quantizations that are described here."""
    return tuple(load_toml("catalog/dynamic")["recipes"])


def like(quant: str) -> str:
    """The recipe that a quantization is most like."""
    return str(load_toml("catalog/dynamic")["recipes"][quant]["like"])


def published(repo: str, quant: str) -> int | None:
    """Bytes of a repository's file, where they are known."""
    size: int | None = load_toml("catalog/dynamic")["published"].get(repo.lower(), {}).get(quant)
    return size


def choose(shape: Shape, tensors: Sequence[Tensor], quant: str, size: int | None) -> tuple[list[str], int]:
    """Types of a file of `size` bytes (None: of the usual size), and how many percent the sum may be off."""
    row = load_toml("catalog/dynamic")["recipes"][quant]
    types = assign(shape, tensors, RECIPES[row["like"]], imatrix=True)
    usual = int(_total(tensors, types) * row["experts" if shape.n_expert else "dense"])
    return _move(tensors, types, size or usual), 1 if size else row["spread"]


def _move(tensors: Sequence[Tensor], types: list[str], size: int) -> list[str]:
    """Raise or lower types, outer blocks first, until the sum is as near to `size` as it gets."""
    missing = size - _total(tensors, types)
    steps = _MORE if missing > 0 else _LESS
    last = tensors[-1].block
    order = sorted(
        (i for i, t in enumerate(tensors) if not t.type and types[i] in steps and category(t.name) in _BULK),
        key=lambda i: (
            _BULK.index(category(tensors[i].name)),
            min(tensors[i].block, last - tensors[i].block),
        ),
        reverse=missing < 0,
    )
    for i in order * 3:
        shape, kind = tensors[i].shape, types[i]
        step = steps.get(kind, kind)
        change = stored_bytes(step, shape) - stored_bytes(kind, shape)
        if abs(missing - change) < abs(missing):
            types[i], missing = step, missing - change
    return types


def _total(tensors: Sequence[Tensor], types: Sequence[str]) -> int:
    return sum(stored_bytes(kind, t.shape) for t, kind in zip(tensors, types, strict=True))
