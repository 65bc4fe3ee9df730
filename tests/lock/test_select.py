"""Which files of a repository a request means."""

import pytest

from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import LockedFile
from stackgen.lock.select import quant_of, select

PATH = ("models", "coder")
REPOSITORY = [
    LockedFile(path=path, size=size)
    for size, path in enumerate(
        (
            "README.md",
            "Coder-Q4_K_M.gguf",
            "Coder-UD-Q4_K_XL.gguf",
            "Coder-Q8_0-00001-of-00003.gguf",
            "Coder-Q8_0-00002-of-00003.gguf",
            "Coder-Q8_0-00003-of-00003.gguf",
            "UD-Q4_K_M/Coder-UD-Q4_K_M-00001-of-00002.gguf",
            "UD-Q4_K_M/Coder-UD-Q4_K_M-00002-of-00002.gguf",
            "Coder-Q5_K_M-00001-of-00002.gguf",
            "BF16/Coder-BF16.gguf",
            "mmproj-F16.gguf",
            "mmproj-BF16.gguf",
            "a/ae.safetensors",
            "b/ae.safetensors",
            "imatrix_Q4_K_M.gguf",
        )
    )
]


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("Qwen3-Coder-Next-UD-Q3_K_XL-00001-of-00002.gguf", "UD-Q3_K_XL"),
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "Q4_K_M"),
        ("llama-2-7b.Q4_0.gguf", "Q4_0"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("gemma-3-27b-it-IQ4_XS.gguf", "IQ4_XS"),
        ("model-f16.gguf", "F16"),
        ("Qwen3-30B-A3B-Thinking-2507-BF16.gguf", "BF16"),
        ("TriLM-TQ1_0.gguf", "TQ1_0"),
        ("Q8-merge-Q4_K_S.gguf", "Q4_K_S"),
        ("plain.gguf", None),
        ("Qwen3-8B.gguf", None),
    ],
)
def test_the_quantization_that_a_name_states(path: str, quant: str | None) -> None:
    assert quant_of(path) == quant


def chosen(**request: str) -> list[str]:
    selection = select(ModelRequest(repo="o/r", **request), REPOSITORY, PATH)  # type: ignore[arg-type]
    assert not selection.diagnostics
    return [f.path for f in selection.files]


def finding(**request: object) -> tuple[str, str, str | None]:
    selection = select(ModelRequest(repo="o/r", **request), REPOSITORY, PATH)  # type: ignore[arg-type]
    (found,) = selection.diagnostics
    return found.kind, found.message, found.hint


def test_a_quantization_does_not_catch_its_dynamic_variant() -> None:
    assert chosen(quant="Q4_K_M") == ["Coder-Q4_K_M.gguf"]
    assert chosen(quant="UD-Q4_K_XL") == ["Coder-UD-Q4_K_XL.gguf"]
    assert chosen(quant="ud_q4_k_xl") == ["Coder-UD-Q4_K_XL.gguf"]


def test_all_shards_come_in_order() -> None:
    assert chosen(quant="Q8_0") == [f"Coder-Q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    assert [p.rsplit("-", 3)[1] for p in chosen(quant="UD-Q4_K_M")] == ["00001", "00002"]


def test_the_projector_comes_by_its_name_alone() -> None:
    assert chosen(quant="BF16", mmproj="mmproj-F16.gguf") == ["BF16/Coder-BF16.gguf", "mmproj-F16.gguf"]


def test_a_missing_shard_is_named() -> None:
    kind, message, hint = finding(quant="Q5_K_M")
    assert kind == "lock/missing-shard"
    assert "lacks 1 of 2 shards" in message
    assert hint == "missing: Coder-Q5_K_M-00002-of-00002.gguf"


def test_a_quantization_that_is_not_there_lists_those_that_are() -> None:
    kind, message, hint = finding(quant="Q6_K")
    assert (kind, message) == ("lock/no-such-quant", "the repository has no Q6_K weights")
    assert hint == "it has: BF16, Q4_K_M, Q5_K_M, Q8_0, UD-Q4_K_M, UD-Q4_K_XL"


def test_two_models_of_one_quantization_are_ambiguous() -> None:
    files = [LockedFile(path=p, size=1) for p in ("Small-Q4_0.gguf", "Large-Q4_0.gguf")]
    selection = select(ModelRequest(repo="o/r", quant="Q4_0"), files, PATH)
    assert selection.diagnostics[0].kind == "lock/ambiguous"
    assert selection.diagnostics[0].hint == "name one with `file:`: Large-Q4_0.gguf, Small-Q4_0.gguf"


def test_a_file_is_found_by_its_name_but_not_in_two_folders() -> None:
    assert chosen(file="Coder-BF16.gguf") == ["BF16/Coder-BF16.gguf"]
    kind, _, hint = finding(files=(("vae", "ae.safetensors"),))
    assert kind == "lock/ambiguous"
    assert hint == "write one of: a/ae.safetensors, b/ae.safetensors"


def test_a_name_with_a_typing_mistake_gets_the_nearest() -> None:
    kind, _, hint = finding(file="Coder-Q4_K_N.gguf")
    assert kind == "lock/no-such-file"
    assert hint == "did you mean `Coder-Q4_K_M.gguf`?"


def test_a_first_shard_that_claims_a_million_is_refused_quickly() -> None:
    files = [LockedFile(path="X-Q4_0-00001-of-99999.gguf", size=1)]
    selection = select(ModelRequest(repo="o/r", quant="Q4_0"), files, PATH)
    assert selection.diagnostics[0].kind == "lock/missing-shard"


def files(*paths: str) -> list[LockedFile]:
    return [LockedFile(path=p, size=1) for p in paths]


def whole(*paths: str) -> list[str]:
    selection = select(ModelRequest(repo="o/r"), files(*paths), PATH)
    assert not selection.diagnostics
    return [f.path for f in selection.files]


def test_a_repository_with_one_model_needs_no_quantization() -> None:
    assert whole("README.md", "m-00002-of-00002.gguf", "m-00001-of-00002.gguf") == [
        "m-00001-of-00002.gguf",
        "m-00002-of-00002.gguf",
    ]


def test_a_repository_with_several_models_needs_one() -> None:
    (found,) = select(ModelRequest(repo="o/r"), files("m-Q4_0.gguf", "m-Q8_0.gguf"), PATH).diagnostics
    assert (found.kind, found.hint) == ("lock/ambiguous", "add a quantization after a colon: Q4_0, Q8_0")


def test_a_repository_of_safetensors_comes_whole_but_for_prose_code_and_doubles() -> None:
    wanted = [
        "config.json",
        "model-00001-of-00002.safetensors",
        "tokenizer.model",
        "sub/quantization_config.json",
    ]
    others = ["README.md", "modeling.py", "pytorch_model.bin", "consolidated.safetensors", ".gitattributes"]
    assert whole(*wanted, *others) == wanted
    assert whole("consolidated.safetensors") == ["consolidated.safetensors"]


def test_a_repository_without_weights_is_none() -> None:
    (found,) = select(ModelRequest(repo="o/r"), files("README.md", "pytorch_model.bin"), PATH).diagnostics
    assert found.kind == "lock/no-weights"
