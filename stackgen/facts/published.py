"""Facts of a model in the format in which it was published, for engines that read safetensors: from a shape of the
catalog and the type that the repository's name tells."""

import re
from dataclasses import replace
from math import prod
from typing import Final, NamedTuple

from stackgen.domain.diagnostic import Diagnostic, Severity
from stackgen.domain.facts import ModelFacts, Weight
from stackgen.domain.footprint import NOTHING, Basis, Memory
from stackgen.domain.linked import LinkedModel
from stackgen.domain.plan import KnownModel
from stackgen.facts import catalog
from stackgen.facts.derive import derive
from stackgen.facts.shapes import Shape
from stackgen.memory.companions import projector_of

BF16: Final = 16.0
SPREAD_PERCENT: Final = 3


class Stored(NamedTuple):
    """How the matrices of the blocks are stored: bits per weight, with their scales."""

    label: str
    bits: float
    experts_only: bool = False


_NAMED: Final = (
    (re.compile(r"(?i)fp8"), Stored("FP8", 8.002)),  # a scale in f32 for 128 x 128
    (re.compile(r"(?i)mxfp4"), Stored("MXFP4", 4.25)),  # one of 8 bits for 32
    (re.compile(r"(?i)nvfp4|fp4"), Stored("NVFP4", 4.5)),  # one in FP8 for 16
    (re.compile(r"(?i)w4a16|awq|gptq|int4"), Stored("INT4", 4.25)),  # scale and zero point for 128
    (re.compile(r"(?i)w8a8|w8a16|int8"), Stored("INT8", 8.25)),
)
_TRAINED: Final = (
    (re.compile(r"deepseek-(v3|r1)|kimi-k2"), Stored("FP8", 8.002)),
    (re.compile(r"gpt-oss"), Stored("MXFP4", 4.25, experts_only=True)),
)
"""Models whose own weights are not BF16, by the names of their shapes (config.json, quantization_config)."""


def known(model: LinkedModel) -> KnownModel | None:
    """What the catalog knows of a repository without GGUF files; None when it knows nothing."""
    request = model.request
    name = request.catalog or request.repo or request.path or ""
    shape = catalog.find(name)
    if shape is None:
        return None
    kind = stored(name, shape.name)
    facts = from_shape(shape, kind)
    if facts is None:
        return None
    message = (
        f"planned as {shape.name} in {kind.label} from the built-in catalog, the real weights may differ by "
        f"{SPREAD_PERCENT} %"
    )
    note = Diagnostic(kind="facts/unlocked", severity=Severity.NOTE, path=model.path, message=message)
    tower = shape.mmproj_bytes
    return KnownModel(
        request=request,
        facts=facts,
        basis=Basis.CATALOG,
        mmproj=Memory((projector_of(tower, tower, Basis.CATALOG),)) if tower else NOTHING,
        spread_percent=SPREAD_PERCENT,
        diagnostics=(note,),
    )


def stored(name: str, shape: str) -> Stored:
    """How a repository of this name stores a model of this shape: as its name tells, or as it was trained."""
    told = (kind for pattern, kind in _NAMED if pattern.search(name.rpartition("/")[2]))
    trained = (kind for pattern, kind in _TRAINED if pattern.match(shape))
    return next(told, None) or next(trained, None) or Stored("BF16", BF16)


def from_shape(shape: Shape, kind: Stored) -> ModelFacts | None:
    """The facts of a shape whose matrices are stored like this; embeddings, norms and routers stay BF16."""
    hit = catalog.synthesise(shape, "BF16")
    if hit is None:
        return None
    plain = derive(hit.header, basis=Basis.CATALOG)
    layers = tuple(
        replace(layer, weights=tuple(_sized(w, kind) for w in layer.weights)) for layer in plain.layers
    )
    same = {layer: layer for layer in layers}
    facts = replace(
        plain,
        layers=tuple(same[layer] for layer in layers),
        weights=tuple(_sized(w, None) for w in plain.weights if w.name != "rope_freqs.weight"),
        format="safetensors",
    )
    return replace(facts, file_bytes=facts.weight_bytes)


def _sized(weight: Weight, kind: Stored | None) -> Weight:
    count = prod(weight.shape)
    small = len(weight.shape) < 2 or "norm" in weight.name or "ffn_gate_inp" in weight.name
    if kind is None or small or (kind.experts_only and "_exps" not in weight.name):
        return weight._replace(type="bf16", size=count * 2)
    return weight._replace(type=kind.label.lower(), size=round(count * kind.bits / 8))
