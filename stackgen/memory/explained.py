"""Whether the rules cover a model: every matrix of its blocks must have a part in some graph."""

import re
from typing import Final

from stackgen.domain.facts import Layer, ModelFacts
from stackgen.memory.errors import UnknownArchitecture

# The names that model/ reads, in every block.
_KNOWN = re.compile(
    r"(attn_(norm|norm_2|q|k|v|qkv|output|gate|q_norm|k_norm|sinks|q_a|q_a_norm|q_b|kv_a_mqa|kv_a_norm|kv_b|k_b|v_b"
    r"|output_norm|sub_norm|rot_embd)|post_attention_norm|post_ffw_norm(_[12])?|pre_ffw_norm_2|layer_output_(norm|scale)"
    r"|ffn_(norm|norm_exps|up|down|gate|gate_up|gate_inp|gate_inp_shexp|sub_norm|act)|ffn_(up|down|gate|gate_up)_exps"
    r"|ffn_(up|down|gate)_(shexp|chexps)|ffn_latent_(up|down)|exp_probs_b|rope_(freqs|factors_long|factors_short)"
    r"|ssm_(in|conv1d|conv1d_[qkv]|x|dt|dt_norm|b_norm|c_norm|a|d|norm|out|ba|beta|alpha|f_a|f_b|g_a|g_b)"
    r"|shortconv\.(conv|in_proj|out_proj)|inp_gate|proj|post_norm|laurel_(l|r|post_norm)"
    r"|altup_(correct_coef|correct_scale|predict_coef|router|router_norm)"
    r"|time_mix_([wavg][12]|lerp_(fused|[xwkvrg])|first|decay_w[12]|key|value|receptance|gate|output)"
    r"|channel_mix_(lerp_[kr]|key|value|receptance)"
    r"|indexer\.(k_norm|proj|attn_k|attn_q_b)|nextn\..+)"
    r"(\.(weight|bias|scale|input_scale|scales))?"
)

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
    return [
        f"tensor `{w.name:.90}`" for w in layer.weights if len(w.shape) > 1 and not _KNOWN.fullmatch(w.name)
    ]
