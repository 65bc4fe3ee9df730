"""Weights for ExLlama from the catalog: bits per weight wherever a name tells them, and the size that follows."""

import pytest

from stackgen.domain.linked import LinkedModel, ModelRequest
from stackgen.facts import catalog, exl
from stackgen.facts.known import from_catalog, smaller


@pytest.mark.parametrize(
    ("request_", "bits"),
    [
        (ModelRequest(repo="t/Llama-3.1-70B-Instruct-exl3", revision="4.0bpw"), (4.0, 6)),
        (ModelRequest(repo="t/Llama-3.1-70B-Instruct-exl3", revision="3.50bpw-h8"), (3.5, 8)),
        (ModelRequest(repo="b/Llama-3.1-70B-Instruct-exl2", revision="4_25"), (4.25, 6)),
        (ModelRequest(repo="t/Llama-3.1-70B-Instruct-2.5bpw-exl3"), (2.5, 6)),
        (ModelRequest(path="/mnt/models/Midnight-Miqu-70B-v1.5-exl2-2.5bpw"), (2.5, 6)),
        (ModelRequest(repo="t/Mine-exl3", catalog="llama-3.1-70b-3.0bpw"), (3.0, 6)),
        (ModelRequest(repo="t/Llama-3.1-70B-Instruct-exl3"), None),
        (ModelRequest(repo="t/Llama-3.1-70B-Instruct-exl3", revision="main"), None),
    ],
)
def test_bits_per_weight_stand_in_some_name(request_: ModelRequest, bits: tuple[float, int] | None) -> None:
    found = exl.bits_of(request_)
    assert (found and tuple(found)) == bits


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (ModelRequest(path="/mnt/models/Midnight-Miqu-70B-v1.5-exl2-2.5bpw"), "midnight-miqu-70b"),
        (ModelRequest(repo="t/Llama-3.2-1B-Instruct-exl2-8.0bpw"), "llama-3.2-1b"),
        (ModelRequest(repo="t/Llama-3.1-70B-EXL2-4.0bpw"), "llama-3.1-70b"),
        (ModelRequest(repo="t/Mine-exl3", catalog="qwen3-235b-a22b-3.0bpw"), "qwen3-235b-a22b"),
    ],
)
def test_names_lead_to_a_shape(request_: ModelRequest, name: str) -> None:
    shape = exl.shape_of(request_)
    assert shape is not None
    assert shape.name == name


@pytest.mark.parametrize(
    "name", ["llama-3.1-8b", "llama-3.2-1b", "qwen3-30b-a3b", "deepseek-v3", "gpt-oss-20b"]
)
def test_sizes_are_bits_per_weight(name: str) -> None:
    """All matrices of blocks at K bits, the head at 6, the embedding and the rest at 16; 2 % for signs and padding."""
    shape = catalog.find(name)
    assert shape is not None
    found = exl.from_shape(shape, exl.Bits(4.0, 6), "exl3")
    assert found is not None
    blocks = sum(w.size for layer in found.layers for w in layer.weights)
    matrices = found.parameter_count - shape.n_vocab * shape.n_embd * (1 if shape.tied else 2)
    assert blocks == pytest.approx(matrices * 4 / 8, rel=0.06 if name == "gpt-oss-20b" else 0.02)
    assert found.by_name["output.weight"].size == pytest.approx(
        shape.n_vocab * shape.n_embd * 6 / 8, rel=0.03
    )
    assert found.by_name["token_embd.weight"].size == shape.n_vocab * shape.n_embd * 2


def test_what_no_name_tells_is_an_error_with_the_ways_out() -> None:
    model = LinkedModel("m", ModelRequest(repo="t/Llama-3.1-70B-Instruct-exl3"))
    known = from_catalog(model)
    assert known.facts is None
    (only,) = known.diagnostics
    assert only.kind == "facts/unknown-model"
    assert "revision: 4.0bpw" in (only.hint or "")
    assert from_catalog(model._replace(declared=(1, 2))).diagnostics == ()


def test_the_format_is_known() -> None:
    model = LinkedModel("m", ModelRequest(repo="t/Llama-3.1-70B-Instruct-exl3", revision="4.0bpw"))
    known = from_catalog(model)
    assert known.facts is not None
    assert known.facts.format == "exl3"
    assert known.spread_percent == exl.SPREAD_PERCENT


def test_smaller_branches_are_ways_out() -> None:
    model = LinkedModel("m", ModelRequest(repo="t/Llama-3.1-70B-Instruct-exl3", revision="4.00bpw_H6"))
    found = list(smaller(model))
    assert [m.request.revision for m in found] == ["3.50bpw_H6", "3.00bpw_H6", "2.50bpw_H6", "2.00bpw_H6"]
    sizes = [m.facts.weight_bytes for m in found if m.facts]
    assert sizes == sorted(sizes, reverse=True)
    assert list(smaller(model._replace(request=ModelRequest(repo="t/Llama-3.1-70B-exl3-4.0bpw")))) == []
