"""Types of the key/value cache, and what flash attention makes of them."""

from collections.abc import Iterator, Mapping
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, Severity, error, warning
from stackgen.domain.facts import Attention, ModelFacts
from stackgen.domain.plan import KnownModel
from stackgen.domain.units import MIB, show_size
from stackgen.engines.llama_server.effective import Case

LAST_PLAIN_BUILD: Final = 10867
"""Up to here CUDA's flash attention has equal pairs only (fattn.cu; PR 28079, first seen in b10878)."""

_EQUAL_PAIRS: Final = frozenset({"f32", "f16", "bf16", "q8_0", "q4_0"})
"""Types that default CUDA builds have a kernel for when K and V are alike (GGML_CUDA_FA_QUANTS)."""
_UNQUANTIZED: Final = frozenset({"f32", "f16", "bf16"})
_HEAD_SIZES: Final = frozenset({40, 64, 72, 80, 96, 112, 128, 256})
_HEAD_PAIRS: Final = frozenset({(192, 128), (320, 256), (512, 512), (576, 512)})
"""(key, value) lengths of a head with CUDA flash attention (fattn.cu, b11434)."""


def types(this: Case) -> tuple[str, str]:
    """The cache types of keys and of values."""
    return str(this.values["cache-type-k"]), str(this.values["cache-type-v"])


def on_cuda(this: Case) -> bool:
    """Whether the build is CUDA's; an image that does not tell is, on NVIDIA cards."""
    if this.options.backend is not None:
        return this.options.backend == "cuda"
    return bool(this.devices) and all(gpu.vendor == "nvidia" for gpu in this.devices)


def facts_of(this: Case, known: Mapping[str, KnownModel]) -> ModelFacts | None:
    """What is known of the model."""
    model = known.get(this.use.model.name)
    return model.facts if model and model.facts and model.facts.format == "gguf" else None


def _has_kernel(this: Case) -> bool:
    key, value = types(this)
    return this.options.fa_all_quants or (key == value and key in _EQUAL_PAIRS)


def _concerned(this: Case) -> bool:
    """Types other than what is compiled in, on GPUs; iq4_nl is another rule's."""
    on_gpus = on_cuda(this) and bool(this.devices) and this.values["flash-attn"] != "off"
    return on_gpus and not _has_kernel(this) and "iq4_nl" not in types(this)


def types_on_cpu(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Issues 24485, 27109, 28455: attention goes to the CPU, 25 to 45 times slower; `auto` does not start."""
    key, value = types(this)
    if not _concerned(this) or this.options.build > LAST_PLAIN_BUILD:
        return
    what = (
        "so llama-server computes attention on the CPU without a word, 25 to 45 times slower"
        if this.values["flash-attn"] == "on"
        else "so flash attention is switched off"
        + ("" if value in _UNQUANTIZED else ", and the V cache then fails to load")
    )
    yield error(
        "llama-server/cache-types-on-cpu",
        this.at("cache-type-v", "cache-type-k"),
        f"CUDA builds up to b{LAST_PLAIN_BUILD} have no flash attention for K {key} with V {value}, {what}",
        "make both q8_0 or both q4_0, use b10878 or later, or state `fa_all_quants: true` for an image that "
        "was built with GGML_CUDA_FA_ALL_QUANTS",
    )


def types_converted(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """PR 28079: since b10878 other pairs run on the GPU, converted to f16 for every token."""
    key, value = types(this)
    if _concerned(this) and this.options.build > LAST_PLAIN_BUILD:
        yield warning(
            "llama-server/cache-types-converted",
            this.at("cache-type-v", "cache-type-k"),
            f"default CUDA builds have no kernel for K {key} with V {value}: each step converts the cache to "
            "f16 first, which makes answers slower; the cache is stored as asked for",
            "make both q8_0 or both q4_0",
        )


def type_without_cuda_kernel(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """iq4_nl has no CUDA flash attention in any build up to b11434 (fattn.cu)."""
    if "iq4_nl" in types(this) and on_cuda(this) and this.devices:
        yield error(
            "llama-server/cache-type-without-kernel",
            this.at("cache-type-k", "cache-type-v"),
            "CUDA has no flash attention for an iq4_nl cache, so attention would be computed on the CPU",
            "use q4_0, which is as small",
        )


def value_type_without_flash_attention(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """llama_init_from_model refuses it in every build (issue 28524)."""
    _, value = types(this)
    if this.values["flash-attn"] == "off" and value not in _UNQUANTIZED:
        yield error(
            "llama-server/quantized-v-without-flash-attention",
            this.at("flash-attn"),
            f"a V cache of {value} needs flash attention, which is off here: the model would not load",
            "write `flash_attn: auto`, or `cache_type_v: f16`",
        )


def types_differ_under_mla(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """b11434 refuses it, although such models keep no V at all."""
    key, value = types(this)
    facts = facts_of(this, known)
    if facts is not None and facts.is_mla and key != value:
        yield error(
            "llama-server/mixed-cache-types-mla",
            this.at("cache-type-v", "cache-type-k"),
            f"K {key} with V {value}: a model with multi-head latent attention loads only with equal types",
            f"write `cache_type_v: {key}`; it takes no memory here",
        )


def head_size_without_flash_attention(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Other head sizes fall back to plain attention, which cannot read a quantized V (fattn.cu, b11434)."""
    facts, (_, value) = facts_of(this, known), types(this)
    if facts is None or facts.is_mla or value in _UNQUANTIZED or not (on_cuda(this) and this.devices):
        return
    for layer in facts.layers[: facts.n_trunk]:
        if layer.attention is not None and not _has_flash_attention(layer.attention):
            sizes = f"{layer.attention.key_length}/{layer.attention.value_length}"
            checked = this.options.build > LAST_PLAIN_BUILD
            yield Diagnostic(
                kind="llama-server/head-size-without-flash-attention",
                severity=Severity.ERROR if checked else Severity.WARNING,
                path=this.at("cache-type-v"),
                message=f"CUDA has no flash attention for heads of {sizes}, which a V cache of {value} needs",
                hint="write `cache_type_v: f16`",
            )
            return


def _has_flash_attention(attention: Attention) -> bool:
    key, value = attention.key_length, attention.value_length
    return (key == value and key in _HEAD_SIZES) or (key, value) in _HEAD_PAIRS


def conversion_buffer(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """CUDA converts one layer of a quantized cache to f16 for prompts: part of the compute buffer's high bound."""
    facts, pair = facts_of(this, known), types(this)
    if facts is None or not on_cuda(this) or not this.devices or set(pair) <= {"f16", "f32"}:
        return
    cells = this.number("ctx-size") or facts.context_length
    widest = max(
        (
            a.heads_kv * (a.key_length + (0 if facts.is_mla else a.value_length))
            for layer in facts.layers[: facts.n_trunk]
            if (a := layer.attention) is not None and a.window is None
        ),
        default=0,
    )
    if (size := 2 * cells * widest) >= 256 * MIB:
        yield Diagnostic(
            kind="llama-server/cache-conversion-buffer",
            severity=Severity.NOTE,
            path=this.at("cache-type-k", "cache-type-v"),
            message=f"with this cache, prompts of `{this.use.id}` take up to {show_size(size)} more on each GPU: "
            "CUDA reads one layer of it as f16",
        )
