"""A model of about 1 MB with random weights that llama-server really loads and answers with."""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter

_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_WIDTH, _HEADS, _LAYERS, _FF = 128, 2, 2, 128
_HEAD = _WIDTH // _HEADS  # 64: quantized caches store blocks of 32
_TOKENS = [b"<unk>", b"<s>", b"</s>", *(f"<0x{i:02X}>".encode() for i in range(256))]
_FORBIDDEN = frozenset("<>|{}[]")


def write(path: Path, *, experts: int = 0, context: int = 512) -> Path:
    """Write it; with `experts` it is a mixture of so many."""
    writer = GGUFWriter(str(path), "llama")
    _describe(writer, experts, context)
    for name, values in _tensors(experts).items():
        writer.add_tensor(name, values, raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: GGUFWriter, experts: int, context: int) -> None:
    writer.add_name("tiny-random")
    writer.add_context_length(context)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_FF)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(_HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(_TOKENS))
    writer.add_file_type(0)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(min(2, experts))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(_TOKENS)
    writer.add_token_scores([0.0] * len(_TOKENS))
    writer.add_token_types([2, 3, 3] + [6] * 256)  # unknown, control, control, bytes
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(_TEMPLATE)


def _tensors(experts: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.05).astype(np.float32)

    # The first dimension of every embedding is a large constant, which survives to the output; a large negative
    # weight on it there forbids a token. Only printable ASCII remains: the server refuses answers that are no UTF-8.
    embedding, output = random(len(_TOKENS), _WIDTH), random(len(_TOKENS), _WIDTH)
    embedding[:, 0] = 3.0
    output[:, 0] = [0.0 if 32 <= i < 127 and chr(i) not in _FORBIDDEN else -20.0 for i in range(-3, 256)]
    ones = np.ones(_WIDTH, np.float32)
    tensors = {"token_embd.weight": embedding, "output_norm.weight": ones, "output.weight": output}
    for block in range(_LAYERS):
        shapes = {
            "attn_q": (_WIDTH, _WIDTH),
            "attn_k": (_HEAD, _WIDTH),
            "attn_v": (_HEAD, _WIDTH),
            "attn_output": (_WIDTH, _WIDTH),
            **_feed_forward(experts),
        }
        tensors |= {f"blk.{block}.{name}.weight": random(*shape) for name, shape in shapes.items()}
        tensors |= {f"blk.{block}.{name}.weight": ones for name in ("attn_norm", "ffn_norm")}
    return tensors


def _feed_forward(experts: int) -> dict[str, tuple[int, ...]]:
    if not experts:
        return {"ffn_gate": (_FF, _WIDTH), "ffn_up": (_FF, _WIDTH), "ffn_down": (_WIDTH, _FF)}
    return {
        "ffn_gate_inp": (experts, _WIDTH),
        "ffn_gate_exps": (experts, _FF, _WIDTH),
        "ffn_up_exps": (experts, _FF, _WIDTH),
        "ffn_down_exps": (experts, _WIDTH, _FF),
    }
