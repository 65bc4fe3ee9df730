"""Facts of a model quantized for ExLlama, from a shape of the catalog and bits per weight: sizes, not choices.

EXL3 stores a matrix as K bits per weight, both sides padded to 128, and a sign vector in FP16 for each side
(exllamav3/modules/quant/exl3.py); which tensor gets how many bits is its converter's choice, but the average is told.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import Final, NamedTuple

from stackgen.domain.diagnostic import Diagnostic, Severity, error
from stackgen.domain.facts import Format, ModelFacts, Weight
from stackgen.domain.footprint import NOTHING, Basis, Memory
from stackgen.domain.linked import LinkedModel, ModelRequest
from stackgen.domain.plan import KnownModel
from stackgen.facts import catalog
from stackgen.facts.derive import derive
from stackgen.facts.shapes import Shape
from stackgen.memory.companions import projector_of

HEAD_BITS: Final = 6
"""Of the output matrix, unless a name tells (exllamav3 convert.py, --head_bits)."""
SPREAD_PERCENT: Final = 2
LADDER: Final = (6.0, 5.0, 4.0, 3.5, 3.0, 2.5, 2.0)
"""Bits per weight of the branches that most publishers have, largest first."""
F16: Final = 2
_BPW: Final = re.compile(r"(?i)(\d{1,2}(?:[._]\d{1,2})?)[-_ ]?bpw")
_BRANCH: Final = re.compile(r"(\d)[._](\d{1,2})")
_HEAD: Final = re.compile(r"(?i)[-_.]h(\d{1,2})(?=$|[-_.])")
_PLAIN: Final = (
    "norm",
    "conv1d",
    "ffn_gate_inp",
    "ssm_alpha",
    "ssm_beta",
    "ssm_a",
    "ssm_d",
    "sinks",
    "shortconv.conv",
)
"""Parts of names of tensors that stay in FP16."""


class Bits(NamedTuple):
    """Bits per weight of the matrices of all blocks on average, and of the output matrix."""

    weights: float
    head: int


def smaller(model: LinkedModel, form: Format) -> Iterator[KnownModel]:
    """A model of the hub under branches with fewer bits, the next smaller first; whether they exist, nobody knows."""
    request, bits = model.request, bits_of(model.request)
    branch = _BPW.search(request.revision or "")
    if bits is None or branch is None or not request.revision:
        return
    for width in LADDER:
        if width < bits.weights:
            revision = request.revision.replace(branch[1], f"{width:.{len(branch[1]) - 2}f}")
            other = known(model._replace(request=request._replace(revision=revision)), form)
            if other.facts:
                yield other


@lru_cache(maxsize=64)
def known(model: LinkedModel, form: Format) -> KnownModel:
    """What the catalog knows of weights for ExLlama; when it does not, `facts` is None and a finding says so."""
    request = model.request
    shape, bits = shape_of(request), bits_of(request)
    facts = from_shape(shape, bits, form) if shape and bits else None
    if shape is None or bits is None or facts is None:
        return KnownModel(
            request=request,
            facts=None,
            basis=Basis.DECLARED if model.declared else Basis.CATALOG,
            diagnostics=() if model.declared else (_unknown(model, shape),),
        )
    tower = shape.mmproj_bytes
    message = (
        f"planned as {shape.name} with {bits.weights:g} bits per weight from the built-in catalog, the real weights "
        f"may differ by {SPREAD_PERCENT} %"
    )
    note = Diagnostic(kind="facts/unlocked", severity=Severity.NOTE, path=model.path, message=message)
    return KnownModel(
        request=request,
        facts=facts,
        basis=Basis.CATALOG,
        mmproj=Memory((projector_of(tower, tower, Basis.CATALOG),)) if tower else NOTHING,
        spread_percent=SPREAD_PERCENT,
        diagnostics=(note,),
    )


def _unknown(model: LinkedModel, shape: Shape | None) -> Diagnostic:
    key, source = model.request.source
    what = "how many bits per weight it has" if shape else "which model of the built-in catalog it is"
    hint = (
        "let `stackgen lock` read it from the hub, name its branch, as in `revision: 4.0bpw`, or its shape, as in "
        "`catalog: llama-3.1-70b-4.0bpw`, or declare its memory with `vram: {low: …, high: …}`"
    )
    return error("facts/unknown-model", (*model.path, key), f"{source} does not tell {what}", hint)


def bits_of(request: ModelRequest) -> Bits | None:
    """Bits per weight as a branch, a folder, a repository or `catalog` tell them."""
    names = [n for n in (request.catalog, request.revision, request.path, request.repo) if n]
    found = next((m[1] for n in names if (m := _BPW.search(n.rpartition("/")[2]))), None)
    if found is None and request.revision and (branch := _BRANCH.fullmatch(request.revision)):
        found = f"{branch[1]}.{branch[2]}"
    if found is None:
        return None
    heads = (m[1] for n in names if (m := _HEAD.search(n.rpartition("/")[2])))
    return Bits(float(found.replace("_", ".")), int(next(heads, HEAD_BITS)))


def shape_of(request: ModelRequest) -> Shape | None:
    """The row of the catalog that a request means."""
    name = request.catalog or request.path or request.repo or ""
    return catalog.find(_BPW.sub("", name.rstrip("/")).rstrip("-_."))


def from_shape(shape: Shape, bits: Bits, form: Format) -> ModelFacts | None:
    """The facts of a shape with so many bits per weight."""
    hit = catalog.synthesise(shape, "F16")
    if hit is None:
        return None
    plain = derive(hit.header, basis=Basis.CATALOG)
    stored: dict[tuple[Weight, float], Weight] = {}

    def sized(weight: Weight, width: float) -> Weight:
        return stored.setdefault((weight, width), _stored(weight, width))

    layers = tuple(
        replace(layer, weights=tuple(sized(w, bits.weights) for w in layer.weights)) for layer in plain.layers
    )
    shared = {layer: layer for layer in layers}
    top = {w.name: sized(w, bits.head) for w in plain.weights if w.name != "rope_freqs.weight"}
    if "output.weight" not in top:
        # A converted model has an output matrix of its own, also where the original shares the embedding.
        embedding = plain.by_name["token_embd.weight"]
        top["output.weight"] = _stored(embedding._replace(name="output.weight"), bits.head)
    facts = replace(
        plain, layers=tuple(shared[layer] for layer in layers), weights=tuple(top.values()), format=form
    )
    return replace(facts, file_bytes=facts.weight_bytes)


def _stored(weight: Weight, width: float) -> Weight:
    matrix = (
        len(weight.shape) > 1 and min(weight.shape[:2]) > 16 and not any(p in weight.name for p in _PLAIN)
    )
    if not matrix or weight.name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return weight._replace(type="f16", size=prod(weight.shape) * F16)
    rows, columns = (-(-n // 128) * 128 for n in weight.shape[:2])
    count = prod(weight.shape[2:])
    size = round(count * rows * columns * width / 8) + count * (rows + columns) * F16
    return weight._replace(type=f"exl {width:g} bpw", size=size)
