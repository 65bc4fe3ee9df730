"""llama.cpp's quantizations: the type of most tensors, and the rules for the others.

The rules are those of `llama_tensor_get_type` in llama.cpp's src/llama-quant.cpp (build 11434).
"""

from typing import Final, NamedTuple

# (conditions, type) pairs; the first whose conditions all hold decides. `quantize` knows the conditions.
Rule = tuple[tuple[str, str], ...]


class Recipe(NamedTuple):
    """A quantization: the type of most tensors, and the exceptions by category; an empty rule = `base`."""

    base: str
    file_type: int
    output: str = "q6_K"
    embd: str = ""
    attn_v: Rule = ()
    attn_k: Rule = ()
    attn_q: Rule = ()
    attn_output: Rule = ()
    ffn_down: Rule = ()
    ffn_gate: Rule = ()
    ffn_up: Rule = ()
    low_bit: bool = False
    """The rules of the 1 and 2 bit types: other special cases, blocks counted as they come."""


_MORE: Final = (("more_bits", "q6_K"),)
_EXPERTS8_Q5: Final = (("8_experts", "q5_K"),)
_MIDDLE: Final = (("middle", "iq3_xxs"),)


def _low_bit(base: str, file_type: int, better: str, output_rule: Rule) -> Recipe:
    return Recipe(
        base,
        file_type,
        output="q5_K",
        embd=better,
        attn_v=(("gqa4", "q4_K"), ("4_experts", "q4_K"), ("always", better)),
        attn_k=(("8_experts", "q4_K"),),
        attn_output=(("8_experts", "q5_K"), *output_rule),
        ffn_down=(("first_8th", better),),
        low_bit=True,
    )


RECIPES: Final = {
    "F32": Recipe("f32", 0, output="f32"),
    "F16": Recipe("f16", 1, output="f16"),
    "BF16": Recipe("bf16", 32, output="bf16"),
    "Q8_0": Recipe("q8_0", 7, output="q8_0"),
    "Q4_0": Recipe("q4_0", 2, ffn_down=(("imatrix first_8th", "q4_1"),)),
    "Q4_1": Recipe("q4_1", 3),
    "Q5_0": Recipe("q5_0", 8, ffn_down=(("imatrix first_8th", "q5_1"),)),
    "Q5_1": Recipe("q5_1", 9),
    "Q2_K": Recipe(
        "q2_K",
        10,
        attn_v=(("gqa4", "q4_K"), ("always", "q3_K")),
        attn_output=(*_EXPERTS8_Q5, ("always", "q3_K")),
        ffn_down=(("always", "q3_K"),),
    ),
    "Q2_K_S": Recipe("q2_K", 21, attn_v=(("gqa4", "q4_K"),), ffn_down=(("first_8th", "q4_K"),)),
    "Q3_K_S": Recipe("q3_K", 11, attn_output=_EXPERTS8_Q5),
    "Q3_K_M": Recipe(
        "q3_K",
        12,
        attn_v=(("first_2", "q5_K"), ("always", "q4_K")),
        attn_output=(*_EXPERTS8_Q5, ("always", "q4_K")),
        ffn_down=(("first_16th", "q5_K"), ("always", "q4_K")),
    ),
    "Q3_K_L": Recipe(
        "q3_K",
        13,
        attn_v=(("always", "q5_K"),),
        attn_output=(("not_8_experts", "q5_K"),),
        ffn_down=(("always", "q5_K"),),
    ),
    "Q4_K_S": Recipe(
        "q4_K", 14, attn_v=(("first_4", "q5_K"),), attn_output=_EXPERTS8_Q5, ffn_down=(("first_8th", "q5_K"),)
    ),
    "Q4_K_M": Recipe("q4_K", 15, attn_v=_MORE, attn_output=_EXPERTS8_Q5, ffn_down=_MORE),
    "Q5_K_S": Recipe("q5_K", 16),
    "Q5_K_M": Recipe("q5_K", 17, attn_v=_MORE, ffn_down=_MORE),
    "Q6_K": Recipe("q6_K", 18),
    "IQ1_S": _low_bit("iq1_s", 24, "q2_K", (("always", "iq2_xxs"),)),
    "IQ1_M": _low_bit("iq1_m", 31, "q2_K", (("always", "iq2_xxs"),)),
    "IQ2_XXS": _low_bit("iq2_xxs", 19, "q2_K", ()),
    "IQ2_XS": _low_bit("iq2_xs", 20, "q2_K", ()),
    "IQ2_S": _low_bit("iq2_xs", 28, "iq3_s", (("always", "iq3_s"),)),
    "IQ2_M": _low_bit("iq2_s", 29, "iq3_s", (("always", "iq3_s"),)),
    "IQ3_XXS": Recipe(
        "iq3_xxs",
        23,
        output="q5_K",
        embd="iq3_s",
        attn_v=(("gqa4", "q4_K"), ("imatrix", "iq3_xxs"), ("always", "iq3_s")),
        attn_k=(("always", "iq2_s"),),
        attn_q=(("always", "iq2_s"),),
        attn_output=(*_EXPERTS8_Q5, ("always", "iq3_s")),
        ffn_down=(("imatrix", "iq3_xxs"), ("first_8th", "q4_K"), ("always", "q3_K")),
    ),
    "IQ3_XS": Recipe(
        "iq3_s",
        22,
        attn_v=(("gqa4", "q4_K"),),
        attn_k=(("always", "iq3_xxs"),),
        attn_q=(("always", "iq3_xxs"),),
        attn_output=_EXPERTS8_Q5,
        ffn_gate=_MIDDLE,
        ffn_up=_MIDDLE,
    ),
    "IQ3_S": Recipe("iq3_s", 26, attn_v=(("gqa4", "q4_K"),), attn_output=_EXPERTS8_Q5),
    "IQ3_M": Recipe(
        "iq3_s",
        27,
        attn_v=(("always", "q4_K"),),
        attn_output=(*_EXPERTS8_Q5, ("always", "q4_K")),
        ffn_down=(("first_8th", "q4_K"), ("8_experts more_bits", "q4_K")),
    ),
    "IQ4_NL": Recipe(
        "iq4_nl",
        25,
        attn_v=(("gqa4", "q5_K"),),
        attn_output=_EXPERTS8_Q5,
        ffn_down=(("imatrix", "iq4_nl"), ("first_8th", "q5_K")),
    ),
    "IQ4_XS": Recipe(
        "iq4_xs",
        30,
        attn_v=(("gqa4", "q5_K"),),
        attn_output=_EXPERTS8_Q5,
        ffn_down=(("imatrix", "iq4_xs"), ("first_8th", "q5_K")),
    ),
    "TQ1_0": Recipe("tq1_0", 36, embd="q4_K"),
    "TQ2_0": Recipe("tq2_0", 37, embd="q4_K"),
    "MXFP4": Recipe("mxfp4", 38, output="q8_0"),
}

# Larger embedding and output matrices on top of another recipe, as some publishers name them.
_LARGE: Final = {
    "Q2_K_L": "Q2_K",
    "Q3_K_XL": "Q3_K_L",
    "Q4_K_L": "Q4_K_M",
    "Q5_K_L": "Q5_K_M",
    "Q6_K_L": "Q6_K",
}
RECIPES.update({k: RECIPES[v]._replace(output="q8_0", embd="q8_0") for k, v in _LARGE.items()})
