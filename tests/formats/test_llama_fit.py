"""The language of llama-fit-params, as build 11434 speaks it."""

import struct

import pytest

from stackgen.domain.llama import LlamaParams
from stackgen.domain.witness import Usage
from stackgen.formats.llama_fit import StandIn, addressed, build, logged_error, reason, stand_ins, table
from stackgen.memory.question import arguments
from tests.support.llama_bin import answers

TWO = (StandIn("RPC0", "127.0.0.1:50901"), StandIn("RPC1", "127.0.0.1:50902"))

LOG = """0.00.01 I llama_fit_params: printing
0.00.06 E llama_init_from_model: quantized V cache requires flash_attn to be enabled
terminate called after throwing an instance of 'std::runtime_error'
  what():  failed to create llama_context from model
"""


def pairs(words: tuple[str, ...]) -> dict[str, str]:
    """Each argument with the word after it."""
    return dict(zip(words, (*words[1:], ""), strict=True))


def test_every_default_is_spelled_out() -> None:
    words = arguments(LlamaParams(n_ctx=4096, n_parallel=1))
    expected = {
        "-c": "4096",
        "-np": "1",
        "-b": "2048",
        "-ub": "512",
        "-fa": "auto",
        "-ctk": "f16",
        "-ctv": "f16",
    }
    assert {flag: pairs(words)[flag] for flag in expected} == expected
    assert int(pairs(words)["-ngl"]) > 1000
    assert words[-1] == "-nr"


@pytest.mark.parametrize(
    ("params", "word"),
    [
        (LlamaParams(cpu_moe=True), "-cmoe"),
        (LlamaParams(swa_full=True), "--swa-full"),
        (LlamaParams(kv_offload=False), "-nkvo"),
        (LlamaParams(op_offload=False), "--no-op-offload"),
    ],
)
def test_switches_are_there_when_they_are_on(params: LlamaParams, word: str) -> None:
    assert word in arguments(params)
    assert word not in arguments(LlamaParams())


def test_values() -> None:
    words = pairs(arguments(LlamaParams(n_gpu_layers=12, n_cpu_moe=3, split_mode="none", main_gpu=1)))
    assert (words["-ngl"], words["-ncmoe"], words["-sm"], words["-mg"]) == ("12", "3", "none", "1")


@pytest.mark.parametrize("share", [24124.0 * 1024 * 1024, 12345678901.0, 3.0, 0.1])
def test_a_share_is_the_same_float_for_the_engine(share: float) -> None:
    """It is read with std::stof, and in floats ties between devices are decided."""
    spelled = pairs(arguments(LlamaParams(tensor_split=(share, 1))))["-ts"].split(",")[0]
    assert struct.pack("<f", float(spelled)) == struct.pack("<f", share)


def test_buffers_of_real_gpus_become_those_of_their_stand_ins() -> None:
    given = (("exps", "CPU"), ("attn", "CUDA1"), ("x", "Vulkan0"), ("y", "CUDA7"))
    words = pairs(addressed(arguments(LlamaParams(override_tensor=given)), TWO))
    assert words["-ot"] == "exps=CPU,attn=RPC0[127.0.0.1:50902],x=RPC0[127.0.0.1:50901],y=CUDA7"


def test_the_table_of_a_real_run() -> None:
    rows = table("RPC0 34987 202 166 \nRPC1 11083 64 372 \nHost 166 0 72 \n")
    assert rows == {"RPC0": Usage(34987, 202, 166), "RPC1": Usage(11083, 64, 372), "Host": Usage(166, 0, 72)}


def test_devices_are_found_by_where_they_listen() -> None:
    listed = """Available devices:
  CUDA0: NVIDIA GeForce RTX 3090 (24124 MiB, 23871 MiB free)
  RPC0: 127.0.0.1:50902 (24105 MiB, 24105 MiB free)
  RPC1: 127.0.0.1:50901 (24105 MiB, 24105 MiB free)
"""
    found = stand_ins(listed, ["127.0.0.1:50901", "127.0.0.1:50902", "127.0.0.1:5090"])
    assert found == (StandIn("RPC1", "127.0.0.1:50901"), StandIn("RPC0", "127.0.0.1:50902"))


def test_devices_of_older_builds_are_named_by_where_they_listen() -> None:
    listed = "Available devices:\n  RPC[127.0.0.1:50901]: RPC device (24105 MiB, 24105 MiB free)\n"
    # The name holds a colon itself, so the row is split at the last one that a blank follows.
    assert stand_ins(listed, ["127.0.0.1:50901"]) == (StandIn("RPC[127.0.0.1:50901]", "127.0.0.1:50901"),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 0.6.0 (build 11434, commit 6990e2f1f)\nbuilt with GNU 12.2.0 for Linux\n", "b11434"),
        ("version: 0.6.0-dev (build 0, commit unknown)\n", "0.6.0-dev"),
        ("version: 8829 (6990e2f1f)\nbuilt with cc (Debian) for x86_64\n", "b8829"),
        ("usage: something else", "of an unknown build"),
    ],
)
def test_builds(text: str, expected: str) -> None:
    assert build(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            LOG,
            "quantized V cache requires flash_attn to be enabled",
        ),
        ("error: invalid argument: --bogus\n", "error: invalid argument: --bogus"),
        ("terminate called\n  what():  failed to load model\n", "failed to load model"),
        (
            "/src/ggml/src/ggml-rpc/ggml-rpc.cpp:547: Failed to connect to 127.0.0.1:50903\n[New LWP 2]\n",
            "ggml-rpc.cpp:547: Failed to connect to 127.0.0.1:50903",
        ),
        ("", "it ended with status 7 and said nothing"),
    ],
)
def test_reasons(text: str, expected: str) -> None:
    assert reason(text, 7) == expected


def test_an_abort_that_lost_its_log_is_known_by_it() -> None:
    refused = [a for a in answers() if a.status]
    assert refused
    assert all(logged_error(a.err) for a in refused)
    assert not logged_error("terminate called\n  what():  failed to load model\n")
