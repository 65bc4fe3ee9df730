"""ModelFacts from config.json and the headers of safetensors files: EXL3, EXL2, and weights as they were trained."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from stackgen.domain.facts import Attention, Format, Hyperparameter, Layer, ModelFacts, Recurrent, Weight
from stackgen.facts import hf_tensors
from stackgen.facts.keys import FactsError
from stackgen.formats.safetensors import Tensor

_LARGEST: Final = 2**40
_INSIDE: Final = ("text_config", "llm_config", "language_config")
_FORMATS: Final[Mapping[str, Format]] = {"exl3": "exl3", "exl2": "exl2", "gptq": "gptq"}
_LINEAR: Final = ("linear_attn.", "mixer.in_proj", "conv.conv", "short_conv.")


def derive(config: Mapping[str, Any], tensors: Sequence[Tensor]) -> tuple[ModelFacts, int]:
    """The facts of a model, and the bytes of its parts that see or hear.

    Raises FactsError when the config is not one of a language model.
    """
    text = _Config(config)
    try:
        found = hf_tensors.sort(tensors)
    except ValueError as exc:
        raise FactsError(str(exc)) from exc
    count = text.require("num_hidden_layers")
    if not 0 < count <= hf_tensors.MAX_LAYERS:
        raise FactsError(f"config.json claims {count} layers; 1 to {hf_tensors.MAX_LAYERS} are believed")
    blocks = (*found.layers, *[()] * (count - len(found.layers)))
    layers = [_layer(text, weights, index) for index, weights in enumerate(blocks)]
    if found.prediction:
        layers.append(Layer(attention=_last_attention(layers), weights=found.prediction))
    kinds: dict[Layer, Layer] = {}
    facts = ModelFacts(
        architecture=text.word("model_type"),
        layers=tuple(kinds.setdefault(layer, layer) for layer in layers),
        n_layer_nextn=len(layers) - count,
        context_length=text.number("max_position_embeddings"),
        embedding_length=text.require("hidden_size"),
        vocab_size=text.require("vocab_size"),
        weights=found.rest,
        traits=("mla",) if text.number("kv_lora_rank") else (),
        hyperparameters=tuple(sorted(text.hyperparameters().items())),
        format=_FORMATS.get(text.quantization(), "safetensors"),
    )
    return replace(facts, file_bytes=facts.weight_bytes + found.other), found.other


class _Config:
    """config.json, of which nothing is trusted; models that see keep that of their language part inside."""

    def __init__(self, whole: Mapping[str, Any]) -> None:
        inner: Mapping[str, Any] = next(
            (whole[key] for key in _INSIDE if isinstance(whole.get(key), dict)), {}
        )
        self.whole, self.values = whole, {**whole, **inner}

    def number(self, *names: str, default: int = 0) -> int:
        """The first of these that is a number, else `default`."""
        for name in names:
            value = self.values.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST:
                return value
        return default

    def require(self, name: str) -> int:
        """A number that must be there."""
        if not (value := self.number(name)):
            raise FactsError(f"config.json does not say `{name}`")
        return value

    def word(self, name: str) -> str:
        """A short text."""
        value = self.values.get(name)
        return value if isinstance(value, str) and value.isprintable() and len(value) < 64 else ""

    def items(self, name: str) -> Sequence[Any]:
        """A list, or nothing."""
        value = self.values.get(name)
        return value if isinstance(value, list) else ()

    def quantization(self) -> str:
        """`quant_method`, which stands outside of the language part."""
        found = self.whole.get("quantization_config") or self.values.get("quantization_config")
        method = found.get("quant_method") if isinstance(found, dict) else None
        return method if isinstance(method, str) else ""

    def hyperparameters(self) -> dict[str, Hyperparameter]:
        """What the memory of engines asks for by llama.cpp's names."""
        numbers = {
            "attention.head_count": self.number("num_attention_heads"),
            "attention.head_count_kv": self.number("num_key_value_heads", "num_attention_heads"),
            "expert_count": self.number("num_experts", "num_local_experts", "n_routed_experts"),
            "expert_used_count": self.number("num_experts_per_tok"),
            "feed_forward_length": self.number("intermediate_size"),
            "ssm.conv_kernel": self.number("linear_conv_kernel_dim", "conv_kernel", "conv_L_cache"),
        }
        return {name: value for name, value in numbers.items() if value}


def _layer(text: _Config, weights: tuple[Weight, ...], index: int) -> Layer:
    kinds = text.items("layer_types")
    kind = kinds[index] if index < len(kinds) and isinstance(kinds[index], str) else ""
    if kind == "linear_attention" or any(w.name.startswith(_LINEAR) for w in weights):
        return Layer(recurrent=_recurrent(text), weights=weights)
    names = {w.name for w in weights}
    if weights and not any(("attn" in name or "attention" in name) for name in names):
        return Layer(weights=weights)
    return Layer(attention=_attention(text, weights, index, kind), weights=weights)


def _attention(text: _Config, weights: tuple[Weight, ...], index: int, kind: str) -> Attention:
    heads = text.number("num_attention_heads", default=1)
    head = text.number("head_dim", default=max(1, text.require("hidden_size") // heads))
    if latent := text.number("kv_lora_rank"):
        row = latent + text.number("qk_rope_head_dim")
        return Attention(heads=heads, heads_kv=1, key_length=row, value_length=latent)
    heads_kv = text.number("num_key_value_heads", default=heads)
    if kind == "full_attention" and text.number("global_head_dim"):
        head = text.number("global_head_dim")
        heads_kv = text.number("num_global_key_value_heads", default=heads_kv)
    # Some families differ from layer to layer; the width of the key projection tells.
    width = next((w.shape[1] for w in weights if w.name == "attn_k.weight" and len(w.shape) == 2), 0)
    if width and width % head == 0 and width < heads_kv * head:
        heads_kv = width // head
    return Attention(
        heads=heads,
        heads_kv=heads_kv,
        key_length=head,
        value_length=head,
        window=_window(text, index, kind),
    )


def _window(text: _Config, index: int, kind: str) -> int | None:
    size = text.number("sliding_window")
    if not size or text.values.get("use_sliding_window") is False:
        return None
    if kind:
        return size if kind == "sliding_attention" else None
    period = text.number("sliding_window_pattern", "_sliding_window_pattern")
    return size if not period or (index + 1) % period else None


def _recurrent(text: _Config) -> Recurrent:
    """Elements of one state: Gated DeltaNet, Mamba 2, or a short convolution, by what the config names."""
    kernel = text.number("linear_conv_kernel_dim", "conv_kernel", "conv_L_cache", default=4)
    if values := text.number("linear_num_value_heads"):
        keys = text.number("linear_num_key_heads", default=values)
        wide, deep = text.number("linear_key_head_dim"), text.number("linear_value_head_dim")
        channels = 2 * keys * wide + values * deep
        return Recurrent(conv=(kernel - 1) * channels, state=values * wide * deep)
    if heads := text.number("mamba_num_heads"):
        wide, deep = text.number("mamba_head_dim"), text.number("ssm_state_size")
        channels = heads * wide + 2 * text.number("n_groups", default=1) * deep
        return Recurrent(conv=(kernel - 1) * channels, state=heads * wide * deep)
    return Recurrent(conv=(kernel - 1) * text.require("hidden_size"), state=0)


def _last_attention(layers: Sequence[Layer]) -> Attention | None:
    """Prediction blocks attend like the last layer that does, without a window."""
    found = next((x.attention for x in reversed(layers) if x.attention is not None), None)
    return None if found is None else replace(found, window=None)
