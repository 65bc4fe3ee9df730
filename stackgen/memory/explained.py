"""Whether the rules cover a model: every matrix of its blocks must have a part in some graph."""

import re

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


def require_explained(facts: ModelFacts) -> None:
    """Raise UnknownArchitecture when a block holds a matrix that no rule reads, or keeps what no rule counts."""
    seen: set[int] = set()
    for layer in facts.layers[: facts.n_trunk]:
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        if unexplained := _unexplained(layer):
            raise UnknownArchitecture(facts.architecture, unexplained)


def _unexplained(layer: Layer) -> list[str]:
    return [f"tensor `{w.name}`" for w in layer.weights if len(w.shape) > 1 and not _KNOWN.fullmatch(w.name)]
