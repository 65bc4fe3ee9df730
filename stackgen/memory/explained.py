"""Whether the rules cover a model: every matrix of its blocks must have a part in some graph."""

import re
from typing import Final

from stackgen.domain.facts import Layer, ModelFacts
from stackgen.memory.errors import UnknownArchitecture

# The names that model/ reads, in every block. A set: a pattern of so many words takes long to compile.
_KNOWN: Final = frozenset(
    """
    attn_norm attn_norm_2 attn_q attn_k attn_v attn_qkv attn_output attn_gate attn_q_norm attn_k_norm
    attn_sinks attn_q_a attn_q_a_norm attn_q_b attn_kv_a_mqa attn_kv_a_norm attn_kv_b attn_k_b attn_v_b
    attn_output_norm attn_sub_norm attn_rot_embd post_attention_norm post_ffw_norm post_ffw_norm_1
    post_ffw_norm_2 pre_ffw_norm_2 layer_output_norm layer_output_scale ffn_norm ffn_norm_exps ffn_up
    ffn_down ffn_gate ffn_gate_up ffn_gate_inp ffn_gate_inp_shexp ffn_sub_norm ffn_act ffn_up_exps
    ffn_down_exps ffn_gate_exps ffn_gate_up_exps ffn_up_shexp ffn_up_chexps ffn_down_shexp
    ffn_down_chexps ffn_gate_shexp ffn_gate_chexps ffn_latent_up ffn_latent_down exp_probs_b rope_freqs
    rope_factors_long rope_factors_short ssm_in ssm_conv1d ssm_conv1d_q ssm_conv1d_k ssm_conv1d_v ssm_x
    ssm_dt ssm_dt_norm ssm_b_norm ssm_c_norm ssm_a ssm_d ssm_norm ssm_out ssm_ba ssm_beta ssm_alpha
    ssm_f_a ssm_f_b ssm_g_a ssm_g_b shortconv.conv shortconv.in_proj shortconv.out_proj inp_gate proj
    post_norm laurel_l laurel_r laurel_post_norm altup_correct_coef altup_correct_scale
    altup_predict_coef altup_router altup_router_norm time_mix_w1 time_mix_w2 time_mix_a1 time_mix_a2
    time_mix_v1 time_mix_v2 time_mix_g1 time_mix_g2 time_mix_lerp_fused time_mix_lerp_x time_mix_lerp_w
    time_mix_lerp_k time_mix_lerp_v time_mix_lerp_r time_mix_lerp_g time_mix_first time_mix_decay_w1
    time_mix_decay_w2 time_mix_key time_mix_value time_mix_receptance time_mix_gate time_mix_output
    channel_mix_lerp_k channel_mix_lerp_r channel_mix_key channel_mix_value channel_mix_receptance
    indexer.k_norm indexer.proj indexer.attn_k indexer.attn_q_b
    """.split()  # noqa: SIM905 - a literal for each is harder to read
)
_KINDS: Final = frozenset({"weight", "bias", "scale", "input_scale", "scales"})

# Tensors of no block that model/ reads.
_KNOWN_APART = re.compile(
    r"(token_embd(_norm)?|position_embd|token_types|output(_norm)?|rope_(freqs|factors_long|factors_short)"
    r"|per_layer_(token_embd|model_proj|proj_norm)|altup_(proj|unembd_proj)|cls(\.output|\.norm)?|dense_\d+(\.\w+)?)"
    r"\.(weight|bias|scale|input_scale)"
)
NOT_MODELLED: Final = {
    "clef": "decision blocks beside the trunk",
    "cogvlm": "experts for images",
    "deepseek4": "compressed caches and hyper-connections",
    "dflash": "a draft that reads its target's states",
    "eagle3": "a draft that reads its target's states",
    "gemma4-assistant": "a draft that reads its target's cache",
    "glm5-next": "hyper-connections and pooled indexers",
    "graniteswitch": "adapters that tokens switch",
    "hrm_text": "blocks that run in cycles",
    "hy_v4": "hyper-connections",
    "kimi-k3": "residuals that attend to each other",
    "minimax-01": "lightning attention",
    "minimax-m3": "sparse attention by blocks",
    "pockettts": "audio output",
    "qwen4exp": "embeddings of token groups, and hyper-connections",
    "t5": "an encoder and a decoder in one",
    "t5encoder": "relative positions in buckets",
    "wavtokenizer-dec": "audio output",
}
"""What architectures do that neither keys nor tensors show, and no rule counts."""


MOST: Final = {
    "expert_used_count": 512,
    "expert_count": 8192,
    "expert_group_count": 512,
    "altup.num_inputs": 64,
}
"""What damaged files claim more of; llama.cpp has room for 512 experts (LLAMA_MAX_EXPERTS)."""


def require_explained(facts: ModelFacts) -> None:
    """Raise UnknownArchitecture when the file holds a matrix that no rule reads, or does what no rule counts."""
    if reason := NOT_MODELLED.get(facts.architecture):
        raise UnknownArchitecture(facts.architecture, [reason])
    for key, most in MOST.items():
        if facts.number(key) > most:
            raise UnknownArchitecture(facts.architecture, [f"a `{key}` above {most}"])
    if facts.number("num_loops", 1) > 1:
        raise UnknownArchitecture(facts.architecture, ["blocks that run in loops (`num_loops`)"])
    apart = [w.name for w in facts.weights if len(w.shape) > 1 and not _KNOWN_APART.fullmatch(w.name)]
    if apart:
        raise UnknownArchitecture(facts.architecture, [f"tensor `{name:.90}`" for name in apart])
    seen: set[int] = set()
    for layer in facts.layers[: facts.n_trunk]:
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        if unexplained := _unexplained(layer):
            raise UnknownArchitecture(facts.architecture, unexplained)


def _unexplained(layer: Layer) -> list[str]:
    return [f"tensor `{w.name:.90}`" for w in layer.weights if len(w.shape) > 1 and not _is_known(w.name)]


def _is_known(name: str) -> bool:
    stem, _, kind = name.rpartition(".")
    return name in _KNOWN or (stem in _KNOWN and kind in _KINDS) or name.startswith("nextn.")
