"""A shape of every architecture under every recipe, against the choice of llama.cpp's own quantizer."""

from pathlib import Path

import pytest

from stackgen.domain.ggml import BY_NAME, TYPES
from stackgen.facts import catalog
from stackgen.facts.layouts import tensors
from stackgen.facts.quantize import assign, fitting
from stackgen.facts.recipes import RECIPES
from tests.support.programs import require
from tests.support.quantizer import Quantizer

pytestmark = pytest.mark.tool

IDS = {kind.name: type_id for type_id, kind in TYPES.items()}
ALL = {shape.name: shape for shape in catalog.shapes()}
# The engine makes a mock model a 70B only if it is a llama; a file of Qwen's 72B is one too.
BY_ARCHITECTURE = {shape.arch: shape.name for shape in ALL.values() if shape.name != "qwen2.5-72b"}
# Rules of their own have 80 layers, 8 experts, odd widths, and shared or no key/value heads.
SPECIAL = ("llama-3.1-70b", "mixtral-8x7b", "qwen2.5-0.5b", "deepseek-v2-lite", "gemma-3-270m", "llama-2-7b")
NAMES = sorted({*BY_ARCHITECTURE.values(), *SPECIAL})
# The engine has no names for the publishers' variants, and nothing to choose without quantization.
PLAIN = {
    name: r for name, r in RECIPES.items() if BY_NAME[r.base].block > 1 and not name.endswith(("_L", "_XL"))
}
PLAIN["Q3_K_L"] = RECIPES["Q3_K_L"]


@pytest.fixture(scope="module")
def quantizer() -> Quantizer:
    return Quantizer(Path(require("libllama.so.0")).parent)


@pytest.mark.parametrize("name", NAMES)
def test_types_are_the_engines(name: str, quantizer: Quantizer) -> None:
    shape = ALL[name]
    parts = tensors(shape)
    labels = [t.name if t.block < 0 else f"blk.{t.block}.{t.name}" for t in parts]
    # As the engine's loader sorts them: by block, then by name.
    order = sorted(range(len(parts)), key=lambda i: (parts[i].block, labels[i]))
    in_first_block = 0 if shape.kind(0) in "MmKC" else 1 if shape.n_lora_kv else shape.heads_kv
    with quantizer.model(
        shape.arch,
        [(labels[i], parts[i].shape) for i in order],
        n_embd=shape.n_embd,
        n_ff=shape.n_ff,
        n_layer=shape.n_layer,
        n_head=shape.n_head,
        n_head_kv=in_first_block,
        n_expert=shape.n_expert,
        n_embd_head_k=shape.head,
        n_embd_head_v=shape.head,
    ) as model:
        for quant, recipe in PLAIN.items():
            types = assign(shape, parts, recipe)
            ours = {
                label: IDS[fitting(kind, t.shape[0])]
                for label, t, kind in zip(labels, parts, types, strict=True)
                if not t.type
            }
            theirs = {label: kind for label, kind in model.types(recipe.file_type).items() if label in ours}
            assert {label: ours[label] for label in theirs} == theirs, quant
            assert {kind for label, kind in ours.items() if label not in theirs} <= {IDS["f32"]}, quant
