"""Headers that are written say what headers that are read said."""

from dataclasses import replace

import gguf
import pytest

from stackgen.domain.header import GgufHeader, SkippedArray, TensorInfo
from stackgen.facts import catalog
from stackgen.formats.errors import FormatError
from stackgen.formats.gguf import parse_header
from stackgen.formats.gguf_write import write_header

VALUES: dict[str, object] = {
    "general.architecture": "llama",
    "llama.block_count": 32,
    "llama.rope.freq_base": 500000.0,
    "llama.big": 2**40,
    "llama.below": -1,
    "llama.flag": True,
    "llama.list": (8, 0, 8),
    "llama.mixed": (1, -1),
    "llama.flags": (True, False),
    "llama.texts": ("a", "ö"),
    "llama.empty": (),
}
TENSORS = (TensorInfo("token_embd.weight", (256, 10), 12), TensorInfo("output_norm.weight", (7,), 0))


def test_what_is_written_is_read() -> None:
    header = GgufHeader(metadata=VALUES, tensors=TENSORS)  # type: ignore[arg-type]
    data = write_header(header)
    read = parse_header(data + bytes(2000))
    assert read.metadata == VALUES
    assert [(t.name, t.shape, t.type_id) for t in read.tensors] == [
        (t.name, t.shape, t.type_id) for t in TENSORS
    ]
    assert [t.offset for t in read.tensors] == [0, 1440]
    assert len(data) == read.header_bytes
    assert len(data) % 32 == 0


@pytest.mark.parametrize(
    ("repo", "quant"),
    [
        ("ggml-org/gpt-oss-20b-GGUF", "MXFP4"),
        ("unsloth/Qwen3-Coder-Next-GGUF", "Q4_K_M"),
        ("x/gemma-3-27b-it", "Q8_0"),
    ],
)
def test_a_catalogs_header_survives(repo: str, quant: str) -> None:
    hit = catalog.lookup(repo, quant)
    assert hit is not None
    data = write_header(hit.header)
    read = parse_header(data)
    assert read.metadata.keys() == hit.header.metadata.keys()
    assert [(t.name, t.shape, t.type_id) for t in read.tensors] == [
        (t.name, t.shape, t.type_id) for t in hit.header.tensors
    ]
    assert read.file_bytes - read.header_bytes == hit.header.file_bytes - hit.header.header_bytes


def test_types_are_those_that_the_reference_reads(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("gguf") / "a.gguf"
    path.write_bytes(write_header(GgufHeader(metadata=VALUES, tensors=())))  # type: ignore[arg-type]
    fields = gguf.GGUFReader(path).fields
    assert fields["llama.block_count"].types == [gguf.GGUFValueType.UINT32]
    assert fields["llama.rope.freq_base"].types == [gguf.GGUFValueType.FLOAT32]
    assert fields["llama.big"].types == [gguf.GGUFValueType.UINT64]
    assert fields["llama.mixed"].types == [gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.INT32]
    assert fields["llama.flags"].types == [gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.BOOL]


def test_an_array_that_was_passed_over_cannot_be_written() -> None:
    header = GgufHeader(metadata={"tokenizer.ggml.tokens": SkippedArray(8, 100)}, tensors=())
    with pytest.raises(FormatError, match="was not read"):
        write_header(header)


def test_arrays_of_arrays_cannot_be_written() -> None:
    header = GgufHeader(metadata={"a": ((1, 2), (3,))}, tensors=())
    with pytest.raises(FormatError, match="cannot be written"):
        write_header(header)


def test_alignment_is_kept() -> None:
    header = GgufHeader(metadata={"general.alignment": 64}, tensors=TENSORS, alignment=64)
    assert len(write_header(header)) % 64 == 0
    assert parse_header(write_header(replace(header))).tensors[1].offset == 1472
