"""Which blocks are recurrent, and the state that each sequence keeps there (`llama_hparams::n_embd_r/s`)."""

from typing import Final

from stackgen.domain.facts import Recurrent, Weight
from stackgen.facts.keys import Keys

# One linear layer or more, then one with full attention; `attention.recurrent_layers` overrides it.
INTERVAL: Final = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4, "qwen4exp": 4, "minimax-01": 8}


def replaces_attention(architecture: str, keys: Keys, index: int, n_trunk: int) -> bool:
    """Whether a block with attention heads in its keys is recurrent all the same."""
    if "wkv.head_size" in keys.values:
        return True
    if architecture not in INTERVAL or index >= n_trunk:
        return False
    listed = keys.values.get("attention.recurrent_layers")
    if isinstance(listed, tuple) and index < len(listed):
        return bool(listed[index])
    interval = keys.number("full_attention_interval") or INTERVAL[architecture]
    return (index + 1) % interval != 0


def state(keys: Keys, weights: tuple[Weight, ...]) -> Recurrent | None:
    """The state of one block, or None. The tensors tell what kind of mixer it has."""
    names = {w.name for w in weights}
    embd = keys.number("embedding_length")
    if any(name.startswith("time_mix_") for name in names):  # RWKV
        head = keys.number("wkv.head_size")
        return Recurrent(conv=keys.number("token_shift_count", 2) * embd, state=embd * head)
    if "shortconv.conv.weight" in names:  # LFM2
        return Recurrent(conv=embd * (keys.number("shortconv.l_cache") - 1), state=0)
    if "ssm_conv1d_q.weight" in names:  # KDA
        head = keys.number("kda.head_dim")
        # heads of the first block, as the engine reads them
        inner = keys.at("attention.head_count", 0) * head
        return Recurrent(conv=3 * (keys.number("ssm.conv_kernel", 4) - 1) * inner, state=head * inner)
    if "ssm_conv1d.weight" in names:  # Mamba, Mamba 2, Gated DeltaNet
        inner, width = keys.number("ssm.inner_size"), keys.number("ssm.state_size")
        conv = (keys.number("ssm.conv_kernel") - 1) * (inner + 2 * keys.number("ssm.group_count") * width)
        return Recurrent(conv=conv, state=width * inner)
    return None
