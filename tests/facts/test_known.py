"""What is known of a model that nobody has locked."""

import pytest

from stackgen.domain.diagnostic import Severity
from stackgen.domain.linked import LinkedModel, ModelRequest
from stackgen.facts.known import from_catalog

GGUF = "bartowski/Qwen2.5-Coder-14B-Instruct-GGUF"


def model(request: ModelRequest) -> LinkedModel:
    return LinkedModel(name="coder", request=request)


@pytest.mark.parametrize(
    "asked",
    [
        ModelRequest(repo=GGUF, file="Qwen2.5-Coder-14B-Instruct-Q4_K_M.gguf"),
        ModelRequest(repo=GGUF, file="q4/Qwen2.5-Coder-14B-Instruct-q4_k_m-00001-of-00002.gguf"),
        ModelRequest(path="/srv/models/mine.Q4_K_M.gguf", catalog="qwen2.5-14b"),
    ],
)
def test_a_file_s_name_tells_its_quantization(asked: ModelRequest) -> None:
    plain, named = from_catalog(model(ModelRequest(repo=GGUF, quant="Q4_K_M"))), from_catalog(model(asked))
    assert plain.facts is not None
    assert named.facts is not None
    assert named.facts.weight_bytes == plain.facts.weight_bytes


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        (
            ModelRequest(repo="who/Nobody-Knows-GGUF", quant="Q4_K_M"),
            "let `stackgen lock` read it from the hub",
        ),
        (ModelRequest(repo=GGUF, quant="Q4KM"), "did you mean `Q4_K_M`?"),
        (ModelRequest(path="/srv/models/mine.gguf"), "declare its memory with `vram:"),
    ],
)
def test_what_is_not_known_is_an_error_with_a_way_out(asked: ModelRequest, hint: str) -> None:
    found = from_catalog(model(asked))
    assert found.facts is None
    (finding,) = found.diagnostics
    assert finding.severity is Severity.ERROR
    assert hint in (finding.hint or "")
