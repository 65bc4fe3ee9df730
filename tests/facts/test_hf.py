"""Facts from config.json and headers of safetensors, beside those that the catalog has of the same models."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.domain.facts import ModelFacts
from stackgen.facts import catalog, exl, hf
from stackgen.facts.keys import FactsError
from stackgen.formats.safetensors import Tensor

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "quantization_config": {"quant_method": "exl3", "bits": 4.0, "head_bits": 6},
}


def exl3(name: str, rows: int, columns: int, bits: int) -> Iterator[Tensor]:
    """One matrix as ExLlamaV3 stores it."""
    yield Tensor(f"{name}.trellis", "I16", (rows // 16, columns // 16, 16 * bits), rows * columns * bits // 8)
    yield Tensor(f"{name}.suh", "F16", (rows,), rows * 2)
    yield Tensor(f"{name}.svh", "F16", (columns,), columns * 2)


def plain(name: str, *shape: int) -> Tensor:
    size = 2
    for n in shape:
        size *= n
    return Tensor(name, "F16", shape, size)


def llama_tensors(config: dict[str, Any], prefix: str = "model.") -> list[Tensor]:
    embd, wide, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    kv = config["num_key_value_heads"] * embd // config["num_attention_heads"]
    found = [plain(f"{prefix}embed_tokens.weight", vocab, embd), plain(f"{prefix}norm.weight", embd)]
    found += exl3("lm_head", embd, vocab, 6)
    for i in range(config["num_hidden_layers"]):
        layer = f"{prefix}layers.{i}"
        for name, rows, columns in (
            ("self_attn.q_proj", embd, embd),
            ("self_attn.k_proj", embd, kv),
            ("self_attn.v_proj", embd, kv),
            ("self_attn.o_proj", embd, embd),
            ("mlp.gate_proj", embd, wide),
            ("mlp.up_proj", embd, wide),
            ("mlp.down_proj", wide, embd),
        ):
            found += exl3(f"{layer}.{name}", rows, columns, 4)
        found += [plain(f"{layer}.{n}.weight", embd) for n in ("input_layernorm", "post_attention_layernorm")]
    return found


def from_catalog(name: str, bits: float) -> ModelFacts:
    shape = catalog.find(name)
    assert shape is not None
    found = exl.from_shape(shape, exl.Bits(bits, 6), "exl3")
    assert found is not None
    return found


@pytest.mark.parametrize("prefix", ["model.", "model.language_model.", "language_model.model."])
def test_headers_and_the_catalog_agree(prefix: str) -> None:
    facts, other = hf.derive(LLAMA, llama_tensors(LLAMA, prefix))
    expected = from_catalog("llama-3.1-8b", 4.0)
    assert other == 0
    assert (facts.format, facts.architecture) == ("exl3", "llama")
    assert [x.attention for x in facts.layers] == [x.attention for x in expected.layers]
    assert (facts.context_length, facts.vocab_size) == (131072, 128256)
    assert facts.weight_bytes == pytest.approx(expected.weight_bytes, rel=1e-5)
    for name in ("token_embd.weight", "output.weight"):
        assert facts.by_name[name].shape == expected.by_name[name].shape
        assert facts.by_name[name].size == expected.by_name[name].size
    shapes = {w.name: (w.shape, w.size) for w in facts.layers[0].weights if len(w.shape) > 1}
    assert shapes == {w.name: (w.shape, w.size) for w in expected.layers[0].weights if len(w.shape) > 1}


def test_equal_layers_are_one_object() -> None:
    facts, _ = hf.derive(LLAMA, llama_tensors(LLAMA))
    assert len({id(layer) for layer in facts.layers}) == 1


def test_experts_of_a_layer_are_one_weight_and_shared_ones_are_apart() -> None:
    moe = {**LLAMA, "num_hidden_layers": 1, "num_experts": 4, "num_experts_per_tok": 2}
    found = [t for e in range(4) for t in exl3(f"model.layers.0.mlp.experts.{e}.up_proj", 4096, 768, 3)]
    found += exl3("model.layers.0.mlp.shared_experts.up_proj", 4096, 768, 3)
    found.append(plain("model.layers.0.mlp.gate.weight", 4, 4096))
    found.append(plain("model.layers.0.self_attn.k_proj.weight", 1024, 4096))
    facts, _ = hf.derive(moe, found)
    weights = {w.name: w for w in facts.layers[0].weights}
    assert weights["ffn_up_exps.weight"].shape == (4096, 768, 4)
    assert weights["ffn_up_exps.weight"].size == 4 * (4096 * 768 * 3 // 8 + (4096 + 768) * 2)
    assert "ffn_gate_inp.weight" in weights
    assert sum("_exps" in name for name in weights) == 1
    assert facts.number("expert_used_count") == 2


def test_exl2_is_read_off_its_parts() -> None:
    parts = [
        Tensor("model.layers.0.self_attn.k_proj.q_weight", "I32", (416, 1024), 416 * 1024 * 4),
        Tensor("model.layers.0.self_attn.k_proj.q_invperm", "I32", (4096,), 4096 * 4),
        Tensor("model.layers.0.self_attn.k_proj.q_scale", "I32", (32, 128), 32 * 128 * 4),
    ]
    config = {**LLAMA, "num_hidden_layers": 1, "quantization_config": {"quant_method": "exl2", "bits": 3.5}}
    facts, _ = hf.derive(config, parts)
    (weight,) = facts.layers[0].weights
    assert (facts.format, weight.name, weight.shape) == ("exl2", "attn_k.weight", (4096, 1024))
    assert weight.size == sum(part.size for part in parts)


def test_what_sees_is_counted_apart() -> None:
    vision = [
        plain("model.visual.blocks.0.attn.qkv.weight", 64, 64),
        plain("vision_tower.layers.3.mlp.weight", 8, 8),
    ]
    config = {"model_type": "qwen3_vl", "text_config": LLAMA}
    facts, other = hf.derive(config, [*llama_tensors(LLAMA), *vision])
    assert other == 64 * 64 * 2 + 8 * 8 * 2
    assert facts.n_layer == 32
    assert facts.architecture == "llama"


def test_hybrids_have_states_and_prediction_blocks() -> None:
    config = {
        **LLAMA,
        "model_type": "qwen3_5_text",
        "num_hidden_layers": 4,
        "head_dim": 256,
        "num_attention_heads": 24,
        "num_key_value_heads": 4,
        "layer_types": ["linear_attention"] * 3 + ["full_attention"],
        "linear_num_value_heads": 48,
        "linear_num_key_heads": 16,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "linear_conv_kernel_dim": 4,
    }
    tensors = [plain(f"model.layers.{i}.linear_attn.in_proj.weight", 10240, 4096) for i in range(3)]
    tensors += [
        plain("model.layers.3.self_attn.k_proj.weight", 1024, 4096),
        plain("mtp.fc.weight", 4096, 8192),
    ]
    facts, _ = hf.derive(config, tensors)
    shape = catalog.find("qwen3.5-27b")
    assert shape is not None
    catalogued = exl.from_shape(shape, exl.Bits(4.0, 6), "exl3")
    assert catalogued is not None
    assert facts.layers[0].recurrent == catalogued.layers[0].recurrent
    assert facts.layers[3].attention == catalogued.layers[3].attention
    assert (facts.n_layer_nextn, facts.n_trunk) == (1, 4)
    assert facts.number("ssm.conv_kernel") == 4


@pytest.mark.parametrize(
    ("more", "windows"),
    [
        (
            {"sliding_window": 128, "layer_types": ["sliding_attention", "full_attention"] * 2},
            [128, None] * 2,
        ),
        ({"sliding_window": 1024, "sliding_window_pattern": 2}, [1024, None] * 2),
        ({"sliding_window": 4096}, [4096] * 4),
        ({"sliding_window": 4096, "use_sliding_window": False}, [None] * 4),
        ({}, [None] * 4),
    ],
)
def test_windows(more: dict[str, Any], windows: list[int | None]) -> None:
    facts, _ = hf.derive({**LLAMA, "num_hidden_layers": 4, **more}, [])
    assert [x.attention.window if x.attention else -1 for x in facts.layers] == windows


def test_latent_attention_is_one_row() -> None:
    config = {**LLAMA, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "num_hidden_layers": 1}
    facts, _ = hf.derive(config, [])
    attention = facts.layers[0].attention
    assert attention is not None
    assert (attention.heads_kv, attention.key_length, attention.value_length) == (1, 576, 512)
    assert facts.is_mla


def test_layers_that_differ_are_told_apart_by_their_projections() -> None:
    config = {**LLAMA, "num_hidden_layers": 2}
    tensors = [
        plain("model.layers.0.self_attn.k_proj.weight", 256, 4096),
        plain("model.layers.1.mlp.up_proj.weight", 8, 8),
    ]
    facts, _ = hf.derive(config, tensors)
    assert facts.layers[0].attention is not None
    assert facts.layers[0].attention.heads_kv == 2
    assert facts.layers[1].attention is None


@pytest.mark.parametrize(
    "config",
    [
        {},
        {**LLAMA, "num_hidden_layers": 10**9},
        {**LLAMA, "vocab_size": "many"},
        {**LLAMA, "hidden_size": True},
    ],
)
def test_what_is_no_language_model_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(FactsError):
        hf.derive(config, [])


def test_a_tensor_of_an_impossible_layer_is_refused() -> None:
    with pytest.raises(FactsError, match="layer 99999"):
        hf.derive(LLAMA, [plain("model.layers.99999.mlp.up_proj.weight", 8, 8)])


ODD = st.sampled_from(
    [None, True, -1, 0, 1, 7, 4096, 10**11, 1.5, "llama", "", [], ["full_attention", 3], {}, LLAMA]
)
KEYS = st.sampled_from(
    [*sorted(LLAMA), "text_config", "layer_types", "head_dim", "sliding_window", "kv_lora_rank"]
)


@given(st.dictionaries(KEYS, ODD, max_size=6))
def test_any_json_gives_facts_or_a_refusal(config: dict[str, Any]) -> None:
    try:
        facts, _ = hf.derive(LLAMA | config, [plain("model.layers.0.self_attn.k_proj.weight", 8, 8)])
    except FactsError:
        return
    assert 0 < facts.n_layer <= 4097
