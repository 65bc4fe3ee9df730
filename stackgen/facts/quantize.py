"""The type of every tensor under a recipe, chosen as llama.cpp's quantizer goes through a model."""

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Final

from stackgen.domain.ggml import BY_NAME, row_bytes
from stackgen.facts.layouts import Tensor
from stackgen.facts.recipes import Recipe, Rule
from stackgen.facts.shapes import Shape

# Next best type where a row does not divide into blocks of 256.
_FALLBACK: Final = {
    **dict.fromkeys(("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_xs"), "iq4_nl"),
    **dict.fromkeys(("q2_K", "q3_K", "tq1_0", "tq2_0"), "q4_0"),
    "q4_K": "q5_0",
    "q5_K": "q5_1",
    "q6_K": "q8_0",
}
_KEPT: Final = (
    "_norm.weight",
    "ffn_gate_inp.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "position_embd.weight",
    "token_types.weight",
)
_CATEGORIES: Final = {
    "attn_qkv.weight": "attn_v",
    "attn_v.weight": "attn_v",
    "attn_k.weight": "attn_k",
    "attn_q.weight": "attn_q",
    "attn_output.weight": "attn_output",
    "ffn_up": "ffn_up",
    "ffn_gate": "ffn_gate",
    "ffn_down": "ffn_down",
}
# Architectures of which the engine calls a model of 80 layers 70B.
_70B: Final = frozenset(("llama", "qwen2", "deci"))

Place = Callable[[int, int], bool]


def _more_bits(index: int, count: int) -> bool:
    """First and last eighth, and every third between."""
    return index < count // 8 or index >= 7 * count // 8 or (index - count // 8) % 3 == 2


# Conditions on the place of a tensor among those of its category.
_PLACES: Final[dict[str, Place]] = {
    "first_2": lambda index, _count: index < 2,
    "first_4": lambda index, _count: index < 4,
    "first_8th": lambda index, count: index < count // 8,
    "first_16th": lambda index, count: index < count // 16,
    "middle": lambda index, count: count // 8 <= index < 7 * count // 8,
    "more_bits": _more_bits,
}


def _traits(shape: Shape, *, imatrix: bool) -> frozenset[str]:
    """The conditions on a model that hold."""
    in_first_block = shape.n_head if shape.kind(0) not in "MmKCE" else 0
    conditions = {
        "always": True,
        "imatrix": imatrix,
        "gqa4": in_first_block // (1 if shape.n_lora_kv else max(1, shape.heads_kv)) >= 4,
        "4_experts": shape.n_expert >= 4,
        "8_experts": shape.n_expert == 8,
        "not_8_experts": shape.n_expert != 8,
    }
    return frozenset(name for name, holds in conditions.items() if holds)


@cache
def category(name: str) -> str:
    """What a tensor is to the quantizer, by its name without `blk.N.`; "" = it stays f32."""
    if not name.endswith("weight") or any(part in name for part in _KEPT):
        return ""
    if name in ("output.weight", "token_embd.weight", "per_layer_token_embd.weight"):
        return "output" if name == "output.weight" else "embd"
    return next((kind for part, kind in _CATEGORIES.items() if part in name), "other")


class Quantizer:
    """One run over a model: tensors of a category are counted as they come by."""

    def __init__(self, shape: Shape, recipe: Recipe, n_attn_v: int, *, imatrix: bool) -> None:
        traits = _traits(shape, imatrix=imatrix)
        self.shape, self.recipe, self.n_attn_v = shape, recipe, n_attn_v
        self.rules = {kind: _of_model(getattr(recipe, kind), traits) for kind in set(_CATEGORIES.values())}
        self.i_attn_v = self.i_ffn_down = 0

    def choose(self, tensor: Tensor, kind: str) -> str:
        """The type of a tensor that is not kept in f32."""
        r, s = self.recipe, self.shape
        if BY_NAME[r.base].block == 1:
            return r.base
        if kind == "output" or (kind == "embd" and s.tied):
            return "q8_0" if tensor.shape[0] % BY_NAME[r.base].block else r.output
        if r.base == "mxfp4":
            return "mxfp4" if len(tensor.shape) > 2 else "q8_0"
        if kind == "embd":
            return r.embd or r.base
        if kind == "other":
            return r.base
        if kind == "attn_v":
            return self._attn_v()
        if kind == "attn_k" and s.n_expert == 8 and not r.low_bit:
            return "q8_0"
        index = tensor.block
        if kind == "ffn_down":
            index = self.i_ffn_down if r.low_bit or not s.n_expert else index
            self.i_ffn_down += 1
        return self._first(kind, index, s.n_layer)

    def _attn_v(self) -> str:
        s, chosen = self.shape, self._first("attn_v", self.i_attn_v, self.n_attn_v)
        self.i_attn_v += 1
        if self.recipe.low_bit:
            return chosen
        if s.n_layer == 80 and s.arch in _70B and s.n_head != s.heads_kv and chosen in ("q3_K", "q4_K"):
            chosen = "q5_K"
        return "q8_0" if s.n_expert == 8 else chosen

    def _first(self, kind: str, index: int, count: int) -> str:
        for places, chosen in self.rules[kind]:
            if all(holds(index, count) for holds in places):
                return chosen
        return self.recipe.base


def _of_model(rule: Rule, traits: frozenset[str]) -> list[tuple[list[Place], str]]:
    """What is left of a rule once the conditions on the model are decided."""
    return [
        ([_PLACES[c] for c in words if c in _PLACES], kind)
        for words, kind in ((conditions.split(), kind) for conditions, kind in rule)
        if all(c in _PLACES or c in traits for c in words)
    ]


def assign(shape: Shape, tensors: Sequence[Tensor], recipe: Recipe, *, imatrix: bool = False) -> list[str]:
    """The type of every tensor, before `fitting`. `imatrix`: the file was made with an importance matrix."""
    kinds = [category(t.name) if len(t.shape) > 1 else "" for t in tensors]
    quantizer = Quantizer(shape, recipe, kinds.count("attn_v"), imatrix=imatrix)
    return [
        t.type or (quantizer.choose(t, kind) if kind else "f32")
        for t, kind in zip(tensors, kinds, strict=True)
    ]


def fitting(kind: str, row: int) -> str:
    """The type, or the next one whose blocks divide a row of that length."""
    if row % BY_NAME[kind].block:
        kind = _FALLBACK.get(kind, "f16")
    return kind if row % BY_NAME[kind].block == 0 else "f16"


@cache
def stored_bytes(kind: str, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor of this type, or of the one that fits; blocks repeat a few shapes again and again."""
    return row_bytes(fitting(kind, shape[0]), shape[0]) * prod(shape[1:])
