"""Cache and state sizes that real runs of llama.cpp logged, recomputed from what their logs say of the model.

The sources are public logs of 2025 and 2026, builds b5000 to b9700, on CUDA, Metal, Vulkan, SYCL, ROCm and CPU.
"""

from dataclasses import dataclass
from typing import Literal

import pytest

from stackgen.domain.facts import Attention, Layer, ModelFacts, Recurrent
from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import MIB
from stackgen.memory.cache import cache_bytes, recurrent_bytes
from stackgen.memory.geometry import geometry
from stackgen.memory.placement import place


@dataclass(frozen=True)
class Log:
    """What a log says: shape, options, and MiB of cache and of recurrent state."""

    name: str
    n_layer: int
    kv: tuple[int, int, int]
    """Key/value heads, key length, value length."""
    n_ctx: int
    cache: float
    state: float = 0
    every: int = 1
    """Every so manieth layer has attention, the others a gated delta net."""
    ssm: tuple[int, int, int] = (0, 0, 0)
    """ssm.inner_size, ssm.state_size, ssm.group_count; the convolution spans four columns."""
    slots: int = 1
    kind: str = "f16"
    window: int | None = None
    swa_full: bool = False
    flash_attn: Literal["on", "off"] = "on"
    n_ubatch: int = 512
    mla: bool = False
    indexer: tuple[int, int] = (0, 0)
    """Row and number of the layers with an indexer of sparse attention."""
    drafts: int = 0


LOGS = (
    Log("Qwen3.5-122B, 4 P100, 32k", 48, (2, 256, 256), 32768, 768, 149.06, every=4, ssm=(8192, 128, 16)),
    Log(
        "the same, cache in q4_1",
        48,
        (2, 256, 256),
        32768,
        240,
        149.06,
        every=4,
        ssm=(8192, 128, 16),
        kind="q4_1",
    ),
    Log(
        "the same, cache in q8_0, 131k",
        48,
        (2, 256, 256),
        131072,
        1632,
        149.06,
        4,
        (8192, 128, 16),
        kind="q8_0",
    ),
    Log(
        "Qwen3.5-2B, CPU, 4 unified slots",
        24,
        (2, 256, 256),
        262144,
        3072,
        77.06,
        4,
        (2048, 128, 16),
        slots=4,
    ),
    Log(
        "Qwen3.5-9B, RTX 3070 laptop", 32, (4, 256, 256), 131072, 1152, 50.25, 4, (4096, 128, 16), kind="q4_0"
    ),
    Log("Qwen3.6-27B", 64, (4, 256, 256), 24576, 1536, 149.62, 4, (6144, 128, 16)),
    Log(
        "Qwythos-27B, ROCm, MTP of 6", 64, (4, 256, 256), 262144, 16384, 1047.38, 4, (6144, 128, 16), drafts=6
    ),
    Log("GLM-4 32B", 61, (2, 128, 128), 32768, 1952),
    Log(
        "GLM-5.2, 4 RTX PRO 6000, 768k",
        78,
        (1, 576, 512),
        768000,
        65812.5 + 3937.5,
        mla=True,
        indexer=(128, 21),
    ),
    Log("gpt-oss-120b, Metal, --swa-full", 36, (8, 64, 64), 4096, 288, window=128, swa_full=True),
    Log("gpt-oss-120b, 4 unified slots", 36, (8, 64, 64), 65535, 2304 + 36, slots=4, window=128),
    Log("Llama 3 8B, Metal, q8_0", 32, (8, 128, 128), 8192, 544, kind="q8_0"),
    Log("Phi-3 mini, no flash attention", 32, (32, 96, 96), 4096, 1536, flash_attn="off", n_ubatch=256),
    Log("Command-R 35B, two cards", 40, (64, 128, 128), 4096, 5120),
    Log("Granite 3 8B, SYCL", 40, (8, 128, 128), 4096, 640),
)


def facts_of(log: Log) -> ModelFacts:
    """The model as far as caches see it."""
    inner, width, groups = log.ssm
    layers = []
    for i in range(log.n_layer):
        if (i + 1) % log.every:
            layers.append(
                Layer(recurrent=Recurrent(conv=3 * (inner + 2 * groups * width), state=inner * width))
            )
            continue
        heads, key, value = log.kv
        window = log.window if log.window and i % 2 == 0 else None
        indexer = log.indexer[0] if i < log.indexer[1] else 0
        layers.append(
            Layer(
                attention=Attention(
                    heads=heads,
                    heads_kv=heads,
                    key_length=key,
                    value_length=value,
                    window=window,
                    indexer_length=indexer,
                )
            )
        )
    return ModelFacts(
        architecture="",
        layers=tuple(layers),
        context_length=4096,
        embedding_length=1024,
        vocab_size=1000,
        traits=("mla",) if log.mla else (),
    )


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_logged_sizes(log: Log) -> None:
    facts = facts_of(log)
    params = LlamaParams(
        n_ctx=log.n_ctx,
        n_parallel=-1 if log.slots == 4 else log.slots,
        n_ubatch=log.n_ubatch,
        type_k=log.kind,
        type_v=log.kind,
        flash_attn=log.flash_attn,
        swa_full=log.swa_full,
        spec_type="draft-mtp" if log.drafts else "none",
        spec_draft_n_max=log.drafts,
    )
    geo, placement = geometry(facts, params), place(facts, params, [])
    assert sum(cache_bytes(facts, params, geo, placement)) / MIB == pytest.approx(log.cache, rel=1e-4)
    state = sum(recurrent_bytes(facts, params, geo, placement)) / MIB
    assert state == pytest.approx(log.state, abs=0.02)


def test_windows_of_2025_were_padded_less() -> None:
    # gpt-oss-20b on Vulkan logged 640 cells for window 128 and micro-batch 512; since then they are padded to 256.
    log = Log("gpt-oss-20b", 24, (8, 64, 64), 4096, 0, window=128)
    assert geometry(facts_of(log), LlamaParams(n_ctx=4096, n_parallel=1)).cells(128, swa_full=False) == 768


def test_early_builds_kept_values_under_mla() -> None:
    # DeepSeek V3 at 16k logged 1098 + 976 MiB in May 2025: the second number was a copy that later builds dropped.
    log = Log("DeepSeek V3", 61, (1, 576, 512), 16384, 1098, mla=True)
    facts, params = facts_of(log), LlamaParams(n_ctx=16384)
    sizes = cache_bytes(facts, params, geometry(facts, params), place(facts, params, []))
    assert sum(sizes) / MIB == pytest.approx(1098)
