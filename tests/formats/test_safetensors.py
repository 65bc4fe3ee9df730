"""Headers of safetensors files."""

import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.domain.lock import TensorGroup
from stackgen.formats.errors import FormatError, Truncated
from stackgen.formats.safetensors import BITS, groups, parse_header
from tests.support.hub_files import safetensors

FILE = safetensors(
    {
        "model.embed_tokens.weight": ("BF16", [100, 8], 1600),
        "model.layers.0.mlp.experts.0.up.weight": ("F8_E4M3", [4, 8], 32),
        "model.layers.0.mlp.experts.1.up.weight": ("F8_E4M3", [4, 8], 32),
        "model.layers.1.mlp.experts.0.up.weight": ("F8_E4M3", [4, 8], 32),
        "scale": ("F32", [], 4),
        "packed": ("F4", [3, 2], 3),
    },
    format="pt",
)


def test_tensors_come_in_the_order_of_their_bytes_with_what_they_take() -> None:
    tensors = parse_header(FILE, file_size=len(FILE))
    assert tensors[0].name == "model.embed_tokens.weight"
    assert [(t.dtype, t.shape, t.size) for t in tensors][-2:] == [("F32", (), 4), ("F4", (3, 2), 3)]


def test_layers_and_experts_fold_into_one_line() -> None:
    found = groups(parse_header(FILE))
    assert (
        TensorGroup(name="model.layers.*.mlp.experts.*.up.weight", type="F8_E4M3", count=3, size=96) in found
    )
    assert len(found) == 4
    assert sum(group.size for group in found) == 1600 + 96 + 4 + 3


@given(st.integers(0, len(FILE)))
def test_the_beginning_of_a_file_says_how_much_is_needed(length: int) -> None:
    whole = 8 + int.from_bytes(FILE[:8], "little")
    if length >= whole:
        assert parse_header(FILE[:length]) == parse_header(FILE)
    else:
        with pytest.raises(Truncated) as caught:
            parse_header(FILE[:length])
        assert caught.value.need == (whole if length >= 8 else 8)


@given(st.binary(max_size=200), st.none() | st.integers(0, 300))
def test_any_bytes_raise_format_errors_only(data: bytes, size: int | None) -> None:
    for attempt in (data, struct.pack("<Q", len(data)) + data):
        with contextlib.suppress(FormatError):
            parse_header(attempt, file_size=size)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**65) | st.floats() | st.sampled_from([*BITS, "", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["dtype", "shape", "data_offsets", "__metadata__", "a"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_json_raises_format_errors_only(value: Any) -> None:
    text = json.dumps(value).encode()
    with contextlib.suppress(FormatError):
        parse_header(struct.pack("<Q", len(text)) + text)


@given(st.integers(0, len(FILE) - 1), st.integers(0, 255))
def test_a_changed_byte_raises_format_errors_only(place: int, byte: int) -> None:
    data = bytearray(FILE)
    data[place] = byte
    with contextlib.suppress(FormatError):
        parse_header(bytes(data), file_size=len(FILE))


SCALAR = '{"dtype": "F32", "shape": [], "data_offsets": [0, 4]}'


def written(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


@pytest.mark.parametrize(
    "text", ["{}", " { }\n", '{"__metadata__": {"a": "}{\\"", "b": ""}}', '{"__metadata__": {}}  ']
)
def test_a_file_without_tensors(text: str) -> None:
    assert parse_header(written(text)) == ()


def test_names_and_spaces_as_json_has_them() -> None:
    text = '\n{ "a\\u0041\\"}" :' + SCALAR + ' , "__metadata__":{"k":"{"} }\t '
    (tensor,) = parse_header(written(text))
    assert tensor.name == 'aA"}'


def one(**changes: Any) -> bytes:
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} | changes
    text = json.dumps({"w": {k: v for k, v in entry.items() if v is not None}}).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (one(dtype="F33"), "unknown type 'F33'"),
        (one(dtype=None), "not just `dtype`"),
        (one(more=1), "not just `dtype`"),
        (one(shape=[2, True]), "impossible shape"),
        (one(shape=[-2, -3]), "impossible shape"),
        (one(shape=[2**63]), "impossible shape"),
        (one(shape=[1] * 17), "impossible shape"),
        (one(shape=[2, 2]), "takes 24 bytes"),
        (one(data_offsets=[8, 32]), "does not start where"),
        (one(data_offsets=[24, 0]), "takes -24 bytes"),
        (written(f'{{"a": {SCALAR}, "a": {SCALAR}}}'), "'a' occurs twice"),
        (written('{"a": ' + SCALAR.replace("{", '{"dtype": "F64", ') + "}"), "occurs twice"),
        (written(f'{{"a": {SCALAR}}} {{'), "not a JSON object"),
        (written(f'{{"a": {SCALAR}, }}'), "not a JSON object"),
        (written('{"a": {"dtype": {}}}'), "not a JSON object"),
        (written('{"a": {"x": "' + "y" * 5000 + '"}}'), "longer than those of models"),
        (written('{"a": {"x": ' + "[" * 2000 + "}}"), "not JSON"),
        (struct.pack("<Q", 2) + b"[]", "not a JSON object"),
    ],
)
def test_what_the_format_does_not_allow_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_header(data)


def test_a_file_that_is_longer_or_shorter_than_its_tensors_is_refused() -> None:
    with pytest.raises(FormatError, match="the file has 25 B"):
        parse_header(one(), file_size=len(one()) + 25)
    with pytest.raises(FormatError, match="but the file has 9 B"):
        parse_header(one(), file_size=9)
