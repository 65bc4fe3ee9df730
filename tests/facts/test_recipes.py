"""Quantization recipes, on models small enough to see what is chosen and why."""

import pytest

from stackgen.domain.ggml import BY_NAME
from stackgen.facts.layouts import Tensor, tensors
from stackgen.facts.quantize import assign, category, fitting
from stackgen.facts.recipes import RECIPES
from stackgen.facts.shapes import Shape


def small(**values: int | bool | str) -> Shape:
    defaults: dict[str, int | bool | str] = {
        "name": "small",
        "source": "made up",
        "arch": "llama",
        "n_layer": 16,
        "n_ctx_train": 4096,
        "n_vocab": 1024,
        "n_embd": 512,
        "n_ff": 1024,
        "n_head": 8,
        "n_head_kv": 2,
    }
    return Shape(**(defaults | values))  # type: ignore[arg-type]


def types(shape: Shape, quant: str, name: str, *, imatrix: bool = False) -> list[str]:
    """The types of one kind of tensor, block by block."""
    parts = tensors(shape)
    chosen = assign(shape, parts, RECIPES[quant], imatrix=imatrix)
    return [kind for t, kind in zip(parts, chosen, strict=True) if t.name == name]


def blocks_with(kinds: list[str], kind: str) -> list[int]:
    return [i for i, k in enumerate(kinds) if k == kind]


def test_q4_k_m_gives_more_bits_to_outer_blocks_and_every_third() -> None:
    # 16 blocks: the first and last two (an eighth), and 4, 7, 10, 13.
    expected = [0, 1, 4, 7, 10, 13, 14, 15]
    assert blocks_with(types(small(), "Q4_K_M", "ffn_down.weight"), "q6_K") == expected
    assert blocks_with(types(small(), "Q4_K_M", "attn_v.weight"), "q6_K") == expected
    assert set(types(small(), "Q4_K_M", "attn_q.weight")) == {"q4_K"}


def test_q4_k_s_and_q3_k_m_favour_the_first_blocks() -> None:
    assert blocks_with(types(small(), "Q4_K_S", "attn_v.weight"), "q5_K") == [0, 1, 2, 3]
    assert blocks_with(types(small(), "Q4_K_S", "ffn_down.weight"), "q5_K") == [0, 1]
    assert blocks_with(types(small(), "Q3_K_M", "attn_v.weight"), "q5_K") == [0, 1]
    assert blocks_with(types(small(), "Q3_K_M", "ffn_down.weight"), "q5_K") == [0]


def test_an_importance_matrix_changes_the_first_blocks() -> None:
    assert blocks_with(types(small(), "IQ4_XS", "ffn_down.weight"), "q5_K") == [0, 1]
    assert set(types(small(), "IQ4_XS", "ffn_down.weight", imatrix=True)) == {"iq4_xs"}
    assert set(types(small(), "Q4_0", "ffn_down.weight")) == {"q4_0"}
    assert blocks_with(types(small(), "Q4_0", "ffn_down.weight", imatrix=True), "q4_1") == [0, 1]


def test_values_of_few_heads_are_cheap_and_get_more_bits() -> None:
    assert set(types(small(), "Q2_K", "attn_v.weight")) == {"q4_K"}
    assert set(types(small(n_head_kv=8), "Q2_K", "attn_v.weight")) == {"q3_K"}


def test_the_70b_rule() -> None:
    assert blocks_with(types(small(n_layer=80), "Q4_K_M", "attn_v.weight"), "q4_K") == []
    assert set(types(small(n_layer=80, n_head_kv=8), "Q3_K_S", "attn_v.weight")) == {"q3_K"}


def test_eight_experts_have_small_attention() -> None:
    mixtral = small(n_expert=8, n_expert_used=2)
    assert set(types(mixtral, "Q4_K_M", "attn_k.weight")) == {"q8_0"}
    assert set(types(mixtral, "Q4_K_M", "attn_v.weight")) == {"q8_0"}
    assert set(types(mixtral, "Q4_K_M", "attn_output.weight")) == {"q5_K"}
    assert blocks_with(types(mixtral, "Q4_K_M", "ffn_down_exps.weight"), "q6_K") == [
        0,
        1,
        4,
        7,
        10,
        13,
        14,
        15,
    ]


def test_embedding_and_output() -> None:
    assert types(small(), "Q4_K_M", "token_embd.weight") == ["q4_K"]
    assert types(small(), "Q4_K_M", "output.weight") == ["q6_K"]
    assert types(small(tied=True), "Q4_K_M", "token_embd.weight") == ["q6_K"]
    assert (
        types(small(), "Q4_K_L", "token_embd.weight") == types(small(), "Q4_K_L", "output.weight") == ["q8_0"]
    )
    # Rows that do not divide into blocks of 256.
    assert types(small(n_embd=480), "Q4_K_M", "output.weight") == ["q8_0"]


def test_mxfp4_is_for_experts() -> None:
    oss = small(n_expert=32, n_expert_used=4)
    assert set(types(oss, "MXFP4", "ffn_up_exps.weight")) == {"mxfp4"}
    assert set(types(oss, "MXFP4", "attn_q.weight")) == {"q8_0"}


@pytest.mark.parametrize("quant", ["F32", "F16", "BF16"])
def test_unquantized_recipes_have_no_exceptions(quant: str) -> None:
    parts = tensors(small(n_expert=8))
    chosen = assign(small(n_expert=8), parts, RECIPES[quant])
    assert set(chosen) == {"f32", quant.lower()}


@pytest.mark.parametrize("quant", RECIPES)
def test_norms_routers_and_biases_stay_f32(quant: str) -> None:
    parts = tensors(small(n_expert=8, qkv_bias=True))
    chosen = assign(small(n_expert=8, qkv_bias=True), parts, RECIPES[quant])
    kept = {t.name for t, kind in zip(parts, chosen, strict=True) if kind == "f32"}
    small_ones = {t.name for t in parts if len(t.shape) == 1} | {"ffn_gate_inp.weight"}
    assert kept == ({t.name for t in parts} if quant == "F32" else small_ones)


def test_rows_that_do_not_divide_fall_back() -> None:
    assert fitting("q4_K", 2688) == "q5_0"
    assert fitting("q6_K", 2688) == "q8_0"
    assert fitting("q4_K", 2560) == "q4_K"
    assert fitting("q8_0", 30) == "f16"
    assert fitting("f32", 7) == "f32"


@pytest.mark.parametrize("kind", [name for name, t in BY_NAME.items() if t.block == 256 and name != "q8_K"])
def test_every_type_of_large_blocks_has_a_fallback(kind: str) -> None:
    assert fitting(kind, 32) not in ("f16", kind)


def test_categories() -> None:
    assert category("attn_qkv.weight") == "attn_v"
    assert category("ffn_down_shexp.weight") == "ffn_down"
    assert category("attn_q_b.weight") == "other"
    assert category("attn_q_norm.weight") == category("attn_q.bias") == category("ssm_conv1d.weight") == ""


def test_types_that_a_layout_fixes_are_left_alone() -> None:
    part = Tensor(0, "altup_router.weight", (512, 4), "f16")
    assert assign(small(), [part], RECIPES["Q4_K_M"]) == ["f16"]
