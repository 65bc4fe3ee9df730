"""Load logs of llama-server, old and new, with the traps that real ones hold."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.domain.loadlog import Breakdown, Buffers
from stackgen.domain.units import MIB
from stackgen.formats.llama_log import parse

LOGS = Path(__file__).parents[1] / "logs"
CUDA = (LOGS / "qwen3-4b-cuda.log").read_text()
P100 = (LOGS / "qwen3.5-122b-4-p100-b8893.log").read_text()
DRY = (LOGS / "dry-run-b11434.log").read_text()


def mib(size: float) -> int:
    return round(size * MIB)


def test_a_load_of_today() -> None:
    (load,) = parse(CUDA)
    assert load.build == "b9665"
    assert load.model == "/models/Qwen/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf"
    (device,) = load.devices
    assert (device.name, device.description, device.free) == ("CUDA0", "NVIDIA GeForce RTX 3090", mib(23845))
    assert load.buffers == {
        "CPU_Mapped": Buffers(model=mib(304.28)),
        "CUDA0": Buffers(model=mib(2375.91), kv=mib(1152), compute=mib(85.01)),
        "CUDA_Host": Buffers(output=mib(2.32), compute=mib(28.02)),
    }
    assert load.settings == {
        "n_seq_max": "4",
        "n_ctx": "8192",
        "n_batch": "2048",
        "n_ubatch": "512",
        "flash_attn": "auto",
        "kv_unified": "true",
        "type_k": "f16",
        "type_v": "f16",
    }
    assert load.breakdown == {}


def test_several_gpus_and_the_table_in_the_end() -> None:
    (load,) = parse(P100)
    assert load.build == "b8893"
    assert [d.name for d in load.devices] == ["CUDA0", "CUDA1", "CUDA2", "CUDA3"]
    assert load.buffers["CUDA2"] == Buffers(
        model=mib(10203.36), kv=mib(136), recurrent=mib(37.27), compute=mib(73.27)
    )
    assert load.buffers["CPU_Mapped"].model == mib(38043.66 + 18520.31)
    assert load.settings["type_k"] == "q8_0"
    assert load.breakdown["CUDA0"] == Breakdown(
        model=13317, context=105, compute=1508, total=16269, free=939, unaccounted=398
    )
    assert load.breakdown["Host"] == Breakdown(model=56563, context=0, compute=38)


def test_the_program_itself() -> None:
    (load,) = parse((LOGS / "tiny-2-rpc-b11434.log").read_text())
    assert list(load.buffers) == ["CPU_Mapped", "RPC0[127.0.0.1:50901]", "RPC0[127.0.0.1:50902]", "CPU"]
    assert load.buffers["RPC0[127.0.0.1:50901]"].compute == mib(5.30)
    # The stand-ins have all of their memory free whatever is loaded, so that nothing adds up.
    assert load.breakdown == {}


def test_a_dry_run_is_no_load() -> None:
    assert "0.00 MiB" in DRY
    assert parse(DRY) == ()


def test_dry_runs_before_a_load_do_not_count() -> None:
    assert [load.buffers for load in parse(DRY + DRY + CUDA)] == [load.buffers for load in parse(CUDA)]


def test_a_dry_runs_table_is_not_that_of_the_load() -> None:
    table = (
        "x: | memory breakdown [MiB] | total free self model context compute unaccounted |\n"
        "x: |   - CUDA0 (RTX 3090)   | 24124 = 23845 + ( 3612 =  2375 +    1152 +      85) +       -3333 |\n"
    )
    assert parse(CUDA + table)[0].breakdown == {}
    other = table.replace("2375", "9999").replace("-3333", "300")
    assert parse(CUDA + other)[0].breakdown == {}


def test_a_table_alone_is_a_load_when_it_adds_up() -> None:
    table = P100[P100.index("llama_memory_breakdown_print") :]
    (load,) = parse(table)
    assert load.buffers == {}
    assert load.breakdown["CUDA3"].unaccounted == 399
    assert parse(table.replace("         398 |", "      -14931 |")) == ()
    assert parse(table.replace("         398 |", " 17592186030000 |")) == ()


OLD = """llm_load_tensors: ggml ctx size =    0.44 MiB
llm_load_tensors: offloaded 33/33 layers to GPU
llm_load_tensors:        CPU buffer size =   281.81 MiB
llm_load_tensors:      CUDA0 buffer size =  4155.99 MiB
llama_new_context_with_model: n_ctx      = 8192
llama_new_context_with_model: n_batch    = 2048
llama_new_context_with_model: n_ubatch   = 512
llama_new_context_with_model: flash_attn = 1
llama_kv_cache_init:      CUDA0 KV buffer size =  1024.00 MiB
llama_new_context_with_model: KV self size  = 1024.00 MiB, K (f16):  512.00 MiB, V (f16):  512.00 MiB
llama_new_context_with_model:  CUDA_Host  output buffer size =     0.98 MiB
llama_new_context_with_model:      CUDA0 compute buffer size =   560.00 MiB
llama_new_context_with_model:  CUDA_Host compute buffer size =    24.01 MiB
"""


def test_a_load_of_2024() -> None:
    (load,) = parse("build: 3600 (2339a0be) with cc (Debian 12.2.0) for x86_64-linux-gnu\n" + OLD)
    assert load.build == "b3600"
    assert load.buffers["CUDA0"] == Buffers(model=mib(4155.99), kv=mib(1024), compute=mib(560))
    assert load.buffers["CPU"].model == mib(281.81)
    assert (load.settings["n_ctx"], load.settings["type_k"]) == ("8192", "f16")


def test_window_caches_add_up() -> None:
    line = "llama_kv_cache:      CUDA0 KV buffer size =  1152.00 MiB\n"
    second = "llama_kv_cache:      CUDA0 KV buffer size =    60.00 MiB\n"
    (load,) = parse(CUDA.replace(line, line + second) if line in CUDA else CUDA + second)
    assert load.buffers["CUDA0"].kv == mib(1212)


def test_a_graph_that_was_allocated_anew_counts_once() -> None:
    again = (
        "graph_reserve: failed to allocate compute buffers\n"
        "llama_context: retrying without pipeline parallelism\n"
        "sched_reserve:      CUDA0 compute buffer size =    44.00 MiB\n"
    )
    assert parse(CUDA + again)[0].buffers["CUDA0"].compute == mib(44)


def test_a_second_context_is_the_draft() -> None:
    mtp = """llama_context: constructing llama_context
llama_context: n_ctx                 = 4096
llama_kv_cache:      CUDA0 KV buffer size =   32.00 MiB
sched_reserve:      CUDA0 compute buffer size =   520.00 MiB
"""
    (load,) = parse(CUDA + mtp)
    assert load.buffers["CUDA0"].draft == mib(552)
    assert load.buffers["CUDA0"].kv == mib(1152)
    assert load.settings["n_ctx"] == "8192"


def test_a_draft_model_counts_with_its_target() -> None:
    draft = CUDA[CUDA.index("0.00.519") :].replace("Qwen3-4B", "Qwen3-0.6B")
    (load,) = parse(CUDA + "srv load_model: loading draft model '/models/Qwen3-0.6B.gguf'\n" + draft)
    assert load.model.endswith("Qwen3-4B-Q4_K_M.gguf")
    assert load.buffers["CUDA0"].draft == mib(2375.91) + mib(1152) + mib(85.01)


VISION = """clip_ctx: CLIP using CUDA0 backend
load_hparams: model size:         812.50 MiB
alloc_compute_meta:      CUDA0 compute buffer size =   248.10 MiB
alloc_compute_meta:        CPU compute buffer size =    24.93 MiB
"""


@pytest.mark.parametrize("log", [CUDA + VISION, VISION + CUDA])
def test_a_projector_is_not_the_models_graph(log: str) -> None:
    (load,) = parse(log)
    assert load.buffers["CUDA0"].projector == mib(812.5) + mib(248.1)
    assert load.buffers["CUDA0"].compute == mib(85.01)


def test_two_loads_of_one_process() -> None:
    first, second = parse(CUDA + OLD)
    assert first.buffers["CUDA0"].model == mib(2375.91)
    assert second.buffers["CUDA0"].model == mib(4155.99)


def test_a_routers_children() -> None:
    spawn = "srv load: spawning server instance with name={} on port {}\n"
    a = [f"[44519] {line}" for line in CUDA.splitlines()]
    b = [f"[ 8080] {line}" for line in P100.splitlines()]
    mixed = [line for pair in zip(a, b, strict=False) for line in pair] + b[len(a) :] + a[len(b) :]
    text = spawn.format("small", 44519) + spawn.format("coder", 8080) + "\n".join(mixed)
    small, coder = parse(text)
    assert (small.instance, coder.instance) == ("small", "coder")
    assert small.buffers == parse(CUDA)[0].buffers
    assert coder.buffers == parse(P100)[0].buffers
    assert coder.breakdown == parse(P100)[0].breakdown


@pytest.mark.parametrize(
    "prefix",
    ["llama-1  | ", "2026-11-21T03:23:21.600Z ", "Nov 21 03:23:21 box llama-server[812345]: ", "\x1b[0m"],
)
def test_what_stands_before_a_line_does_not_matter(prefix: str) -> None:
    text = "".join(f"{prefix}{line}\r\n" for line in P100.splitlines())
    assert parse(text)[0].buffers == parse(P100)[0].buffers
    assert parse(text)[0].breakdown == parse(P100)[0].breakdown


def test_what_fitting_changed() -> None:
    fit = (
        "common_fit_params: context size reduced from 131072 to 40960 -> need 2048 MiB less memory in total\n"
    )
    assert parse(fit + CUDA)[0].fitted == (
        "context size reduced from 131072 to 40960 -> need 2048 MiB less memory in total",
    )


def test_adapters_and_other_states() -> None:
    more = (
        "llama_adapter_lora_init_impl:      CUDA0 LoRA buffer size =    80.00 MiB\n"
        "llama_dsv4_comp_state:      CUDA0 DSV4 csa state buffer size =    12.00 MiB\n"
    )
    (load,) = parse(CUDA + more)
    assert load.buffers["CUDA0"].adapter == mib(80)
    assert load.buffers["CUDA0"].kv == mib(1164)
    assert load.buffers["CUDA0"].total == mib(2375.91) + mib(1164) + mib(85.01) + mib(80)


def test_nothing_in_nothing() -> None:
    assert parse("") == ()
    assert parse("main: server is listening on http://127.0.0.1:8080\n") == ()


@given(st.lists(st.sampled_from((CUDA + VISION + P100 + DRY + OLD).splitlines()), max_size=60))
def test_lines_in_any_order_raise_nothing(lines: list[str]) -> None:
    for load in parse("\n".join(lines)):
        assert all(size.total >= 0 for size in load.buffers.values())
