"""Tensors of safetensors files under the names that all facts use: a weight per matrix, experts of a kind together."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from stackgen.domain.facts import Weight
from stackgen.formats.safetensors import Tensor

MAX_LAYERS: Final = 4096
"""The deepest models have some 130; a damaged file may name any number."""
_LAYER: Final = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d{1,5})\.(.+)")
_PREFIX: Final = re.compile(r"^(?:model\.|language_model\.|text_model\.)+")
_EXPERT: Final = re.compile(r"\bexperts\.\d+\.")
_OTHER: Final = re.compile(
    r"(?:^|\.)(?:\w*vision\w*|visual|\w*audio\w*|\w*multi_?modal\w*|mm_\w+|\w*image\w*)\."
)
_PARTS: Final = ("trellis", "suh", "svh", "su", "sv", "mcg", "mul1")
_PARTS_V2: Final = ("q_weight", "q_scale", "q_scale_max", "q_groups", "q_group_map", "q_invperm", "q_perm")
_NAMES: Final[Mapping[str, str]] = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate": "ffn_gate_inp",
    "embed_tokens": "token_embd",
    "lm_head": "output",
    "norm": "output_norm",
}
"""HF's names as GGUF has them, for the tensors that memory is told apart by."""


class Sorted(NamedTuple):
    """The weights of each layer, of prediction blocks, of no layer, and the bytes of what is no language model."""

    layers: tuple[tuple[Weight, ...], ...]
    prediction: tuple[Weight, ...]
    rest: tuple[Weight, ...]
    other: int


def sort(tensors: Iterable[Tensor]) -> Sorted:
    """All tensors of a model. Raises ValueError for more layers than there can be."""
    blocks: dict[int, dict[str, list[Tensor]]] = {}
    prediction: dict[str, list[Tensor]] = {}
    rest: dict[str, list[Tensor]] = {}
    other = 0
    for tensor in tensors:
        stem = _stem(tensor.name)
        if _OTHER.search(tensor.name):
            other += tensor.size
        elif stem.startswith("mtp."):
            prediction.setdefault(stem, []).append(tensor)
        elif match := _LAYER.search(stem):
            number = int(match[1])
            if number >= MAX_LAYERS:
                raise ValueError(f"a tensor is of layer {number}; {MAX_LAYERS} are believed")
            blocks.setdefault(number, {}).setdefault(_EXPERT.sub("experts.", match[2]), []).append(tensor)
        else:
            rest.setdefault(_PREFIX.sub("", stem), []).append(tensor)
    return Sorted(
        layers=tuple(_weights(blocks.get(i, {})) for i in range(max(blocks, default=-1) + 1)),
        prediction=_weights(prediction),
        rest=_weights(rest),
        other=other,
    )


def _stem(name: str) -> str:
    """A tensor's name without the part of a matrix that it is."""
    stem, _, last = name.rpartition(".")
    return stem if stem and last in (*_PARTS, *_PARTS_V2, "weight") else name


def _weights(found: Mapping[str, list[Tensor]]) -> tuple[Weight, ...]:
    return tuple(_weight(stem, parts) for stem, parts in sorted(found.items()))


def _weight(stem: str, parts: list[Tensor]) -> Weight:
    """The parts of one matrix, or of one matrix of each expert, as one."""
    expert = stem.startswith("mlp.experts.") or ".experts." in stem
    plain = stem.replace("mlp.experts.", "mlp.") if expert else stem
    name = _NAMES.get(plain, plain) + ("_exps" if expert else "")
    shape, kind, count = _shape(parts)
    size = sum(part.size for part in parts)
    whole = (*shape, count) if expert else shape
    suffix = ".weight" if len(whole) > 1 or name.startswith(("output", "token_embd")) else ""
    return Weight(name + suffix, whole, kind, size)


def _shape(parts: list[Tensor]) -> tuple[tuple[int, ...], str, int]:
    """(row length, rows), type and number of matrices: a trellis of 16 x 16 tiles, ExLlamaV2's parts, or plain."""
    of = {part.name.rpartition(".")[2]: part for part in parts}
    if (trellis := of.get("trellis")) and len(trellis.shape) == 3:
        count = sum(part.name.endswith(".trellis") for part in parts)
        return (trellis.shape[0] * 16, trellis.shape[1] * 16), "exl3", count
    if (packed := of.get("q_weight")) and len(packed.shape) == 2:
        count = sum(part.name.endswith(".q_weight") for part in parts)
        order = of.get("q_invperm") or of.get("q_perm")
        return ((order.shape[0] if order else 0), packed.shape[1]), "exl2", count
    first = max(parts, key=lambda part: part.size)
    return tuple(reversed(first.shape)), first.dtype.lower(), len(parts)
