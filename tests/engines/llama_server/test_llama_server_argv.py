"""A llama-server command line, read as llama-server reads it."""

import shlex
from collections.abc import Mapping

import pytest

from stackgen.domain.llama import LlamaParams
from stackgen.engines.llama_server.argv import ArgvParams, parse_argv


def parse(line: str, build: int = 11434, env: Mapping[str, str] | None = None) -> ArgvParams:
    return parse_argv(shlex.split(line), build=build, env=env)


def params(line: str, build: int = 11434, env: Mapping[str, str] | None = None) -> LlamaParams:
    answer = parse(line, build, env)
    assert answer.refusals == ()
    return answer.params


def test_defaults_are_the_servers() -> None:
    assert params("") == LlamaParams()


def test_defaults_of_an_older_build() -> None:
    assert params("", build=8006) == LlamaParams(build=8006, ctx_checkpoints=8, spec_draft_n_max=16)


@pytest.mark.parametrize(
    "line",
    [
        "-c 4096 -ctk q8_0 -ngl all -nkvo -fa on",
        "--ctx-size 4096 --cache-type-k q8_0 --gpu-layers -2 --no-kv-offload --flash-attn 1",
        "llama-server --ctx_size 4096 --cache_type_k q8_0 --n-gpu-layers all --no_kv_offload -fa true",
    ],
)
def test_every_spelling_means_the_same(line: str) -> None:
    assert params(line) == LlamaParams(n_ctx=4096, type_k="q8_0", kv_offload=False, flash_attn="on")


def test_everything_that_decides_memory() -> None:
    line = (
        "-c 1000 -np 2 -kvu -b 1024 -ub 256 -ctv q4_0 -ngl 10 -sm none -ts 3/1 -mg 1 -ncmoe 4 --swa-full "
        "--no-op-offload --embeddings -cram 0 -ctxcp 4 --no-mmproj-offload -ot 'exps=CPU,output=CUDA1'"
    )
    assert params(line) == LlamaParams(
        n_ctx=1000,
        n_parallel=2,
        kv_unified=True,
        n_batch=1024,
        n_ubatch=256,
        type_v="q4_0",
        n_gpu_layers=10,
        split_mode="none",
        tensor_split=(3.0, 1.0),
        main_gpu=1,
        n_cpu_moe=4,
        swa_full=True,
        op_offload=False,
        embeddings=True,
        cache_ram_mib=0,
        ctx_checkpoints=4,
        mmproj_offload=False,
        override_tensor=(("exps", "CPU"), ("output", "CUDA1")),
    )


@pytest.mark.parametrize("switch", ["--reranking", "--pooling mean", "--embedding"])
def test_what_makes_every_token_an_output(switch: str) -> None:
    assert params(switch).embeddings


def test_the_last_one_counts() -> None:
    assert params("-c 1 --ctx-size 2").n_ctx == 2


def test_overrides_add_up() -> None:
    assert params("-ot a=CPU -ot b=CPU").override_tensor == (("a", "CPU"), ("b", "CPU"))


def test_dense_layers_on_the_host_are_overrides() -> None:
    pattern = r"blk\.0\.ffn_(up|down|gate)\."
    assert params("-ncffn 1").override_tensor == ((pattern, "CPU"),)


def test_a_context_per_slot_sizes_the_pool() -> None:
    assert params("--kv-unified-per-slot 1000").n_ctx == 4000
    assert params("--kv-unified-per-slot 1000 -np 2").n_ctx == 2000
    assert params("--kv-unified-per-slot 1000 -c 512").n_ctx == 512


def test_models_and_companions() -> None:
    answer = parse("-m a.gguf -mm p.gguf -md d.gguf --draft-p-min 0.5")
    assert (answer.model, answer.mmproj, answer.draft) == ("a.gguf", "p.gguf", "d.gguf")
    assert answer.params.spec_type == "draft-simple"
    assert parse("-hf a/b:Q4_K_M").hf == "a/b:Q4_K_M"


def test_kinds_of_speculation() -> None:
    assert params("--spec-type ngram-mod,draft-mtp").spec_type == "draft-mtp"
    drafted = params("--spec-type ngram-mod --spec-ngram-mod-n-max 32")
    assert (drafted.spec_type, drafted.spec_draft_n_max) == ("ngram-mod", 32)
    assert params("-md x.gguf --draft-max 5", build=8006).spec_draft_n_max == 5


def test_variables_stand_below_arguments() -> None:
    env = {"LLAMA_ARG_CTX_SIZE": "1024", "LLAMA_ARG_CPU_MOE": "1", "HOME": "/root"}
    assert params("", env=env) == LlamaParams(n_ctx=1024, cpu_moe=True)
    assert params("-c 2048", env=env).n_ctx == 2048
    assert params("", env={"LLAMA_ARG_NO_KV_OFFLOAD": "x"}).kv_offload is False
    assert params("", env={"LLAMA_ARG_CPU_MOE": "0"}).cpu_moe is False


def test_variables_that_a_build_does_not_know_are_nothing_to_it() -> None:
    assert params("", 8006, {"LLAMA_ARG_N_CPU_FFN": "4"}) == params("", 8006)


def test_the_environment_is_never_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_ARG_CTX_SIZE", "77")
    assert params("").n_ctx == 0


@pytest.mark.parametrize(
    ("line", "build", "argument", "words", "hint"),
    [
        (
            "--no-mmap",
            11434,
            "--no-mmap",
            "removed by b10878 (last seen in b10867)",
            "write `--load-mode none`",
        ),
        ("-dio", 11434, "-dio", "removed by b10878", "write `--load-mode dio`"),
        ("--load-mode none", 8006, "--load-mode", "first seen in b10156", "write `--mmap`, "),
        ("--spec-draft-model x", 8006, "--spec-draft-model", "first seen in b9093", "write `--model-draft`"),
        ("--ctx-size=4096", 11434, "--ctx-size=4096", "has no argument", "write `--ctx-size 4096`"),
        ("--cache-typ-k q8_0", 11434, "--cache-typ-k", "has no argument", "did you mean `--cache-type-k`?"),
        ("-ctk q9", 11434, "-ctk", "must be `f32`, ", None),
        ("-c", 11434, "-c", "needs a value", None),
        ("--control-vector-layer-range 1", 11434, "--control-vector-layer-range", "needs a value", None),
    ],
)
def test_refusals(line: str, build: int, argument: str, words: str, hint: str | None) -> None:
    (refusal,) = parse(line, build).refusals
    assert refusal.argument == argument
    assert words in refusal.message
    assert (refusal.hint or "").startswith(hint or "")
    assert (refusal.hint is None) == (hint is None)


def test_what_follows_a_refused_argument_is_its_value() -> None:
    answer = parse("--frobnicate 5 -c 100 --no-mmap")
    assert [r.argument for r in answer.refusals] == ["--frobnicate", "--no-mmap"]
    assert [r.index for r in answer.refusals] == [0, 4]
    assert answer.params.n_ctx == 100


def test_a_wrong_variable_is_refused_by_name() -> None:
    (refusal,) = parse("", env={"LLAMA_ARG_CTX_SIZE": "many"}).refusals
    assert (refusal.index, refusal.argument) == (-1, "LLAMA_ARG_CTX_SIZE")
