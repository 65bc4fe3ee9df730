"""From checked options to the parameters that decide memory."""

from collections.abc import Mapping
from typing import Any, Final

from stackgen.domain.llama import LlamaParams
from stackgen.engines.llama_server.values import Value

Values = Mapping[str, Value]
"""Options by canonical name, as `ctx-size`."""

AUTO_SLOTS: Final = 4
"""Slots of a server that is not told how many, with a unified cache (server.cpp, b7964 to b11434)."""

_DIRECT: Final = {
    "ctx-size": "n_ctx",
    "parallel": "n_parallel",
    "kv-unified": "kv_unified",
    "batch-size": "n_batch",
    "ubatch-size": "n_ubatch",
    "flash-attn": "flash_attn",
    "cache-type-k": "type_k",
    "cache-type-v": "type_v",
    "split-mode": "split_mode",
    "tensor-split": "tensor_split",
    "main-gpu": "main_gpu",
    "cpu-moe": "cpu_moe",
    "n-cpu-moe": "n_cpu_moe",
    "swa-full": "swa_full",
    "kv-offload": "kv_offload",
    "op-offload": "op_offload",
    "cache-ram": "cache_ram_mib",
    "ctx-checkpoints": "ctx_checkpoints",
    "mmproj-offload": "mmproj_offload",
    "draft-max": "spec_draft_n_max",
    "spec-draft-n-max": "spec_draft_n_max",
    "spec-draft-type-k": "draft_type_k",
    "spec-draft-type-v": "draft_type_v",
}
_DRAFTED_TOKENS: Final = {
    "ngram-simple": ("spec-ngram-simple-size-m", 48),
    "ngram-map-k": ("spec-ngram-map-k-size-m", 48),
    "ngram-map-k4v": ("spec-ngram-map-k4v-size-m", 48),
    "ngram-mod": ("spec-ngram-mod-n-max", 64),
}
"""What bounds the drafts of a kind of speculation, and its default (common_speculative_n_max, b11434)."""

_OLDER_DEFAULTS: Final = {"ctx_checkpoints": (8156, 8), "spec_draft_n_max": (9443, 16)}
"""(build, value): the default up to that build. 32 checkpoints were first seen in b8672; 3 drafted tokens in
b9444, and between it and b9093 the larger number counts (common.h)."""


def to_params(values: Values, build: int, *, draft: bool = False) -> LlamaParams:
    """The parameters of a server with these options; `draft`: it has a draft model."""
    given: dict[str, Any] = {
        field: value for field, (last, value) in _OLDER_DEFAULTS.items() if build <= last
    }
    given |= {field: values[name] for name, field in _DIRECT.items() if name in values}
    given["n_gpu_layers"] = _layers(values.get("n-gpu-layers", "auto"))
    given["draft_n_gpu_layers"] = _layers(values.get("spec-draft-ngl", "auto"))
    if pairs := _overrides(values):
        given["override_tensor"] = pairs
    given["embeddings"] = any(
        name in values and values[name] for name in ("embeddings", "reranking", "pooling")
    )
    given |= _speculation(values, draft=draft) | _pool(values)
    return LlamaParams(build=build, **given)


def _layers(value: Value) -> int:
    return value if isinstance(value, int) else -1


def _pool(values: Values) -> dict[str, int]:
    """A context per slot sizes the pool when no context is given (server.cpp, from b10867)."""
    per_slot = values.get("kv-unified-per-slot", 0)
    if not isinstance(per_slot, int) or per_slot <= 0 or "ctx-size" in values:
        return {}
    slots = values.get("parallel", -1)
    return {"n_ctx": per_slot * (slots if isinstance(slots, int) and slots > 0 else AUTO_SLOTS)}


def _overrides(values: Values) -> tuple[tuple[str, str], ...]:
    """(pattern, buffer type) pairs; what is kept of dense layers on the host is such a pattern as well."""
    given = values.get("override-tensor", ())
    items = given if isinstance(given, tuple) else str(given).split(",")
    pairs = [(pattern, buffer) for pattern, _, buffer in (str(item).partition("=") for item in items)]
    layers = values.get("n-cpu-ffn", 0)
    # The pattern of common.h (LLM_FFN_DENSE_REGEX, b11434), one per block.
    dense = [
        (rf"blk\.{i}\.ffn_(up|down|gate)\.", "CPU") for i in range(layers if isinstance(layers, int) else 0)
    ]
    return (*pairs, *dense)


def _speculation(values: Values, *, draft: bool) -> dict[str, Any]:
    """The kind that costs memory, and how many tokens it drafts at most."""
    given = values.get("spec-type", ())
    kinds = [str(kind) for kind in (given if isinstance(given, tuple) else (given,)) if kind != "none"]
    if draft and not any(kind.startswith("draft-") for kind in kinds):
        kinds.append("draft-simple")
    if not kinds:
        return {}
    kinds.sort(key=lambda kind: not kind.startswith("draft-"))
    found: dict[str, Any] = {"spec_type": kinds[0]}
    if not kinds[0].startswith("draft-"):
        found["spec_draft_n_max"] = max(_drafted(kind, values) for kind in kinds)
    return found


def _drafted(kind: str, values: Values) -> int:
    name, default = _DRAFTED_TOKENS.get(kind, ("", 8))
    value = values.get(name, default)
    return value if isinstance(value, int) else default
