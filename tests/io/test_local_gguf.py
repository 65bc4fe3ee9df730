"""Model files on disk: plain, split, missing, damaged."""

import os
from pathlib import Path

import pytest

from stackgen.domain.header import TensorInfo
from stackgen.formats.gguf import FormatError, Truncated, parse_header
from stackgen.io.local import read_gguf
from tests.support.gguf_builder import Typed, build_gguf

HEADERS = Path(__file__).parents[1] / "headers"


def write_split(folder: Path, count: int = 3) -> list[Path]:
    paths = []
    for number in range(count):
        metadata = {
            "split.no": Typed(2, number),
            "split.count": Typed(2, count),
            "split.tensors.count": Typed(5, count),
        }
        path = folder / f"model-{number + 1:05}-of-{count:05}.gguf"
        path.write_bytes(build_gguf(metadata, [TensorInfo(f"t{number}", (32,), 0)]))
        paths.append(path)
    return paths


def test_a_header_is_read_the_same_from_a_whole_file(tmp_path: Path) -> None:
    data = (HEADERS / "phi-4.gguf").read_bytes()
    whole = tmp_path / "phi-4.gguf"
    whole.write_bytes(data)
    os.truncate(whole, parse_header(data).file_bytes)
    assert read_gguf(HEADERS / "phi-4.gguf") == read_gguf(whole) == parse_header(data)


@pytest.mark.parametrize("given", [0, 1, 2])
def test_any_file_of_a_split_model_stands_for_all(tmp_path: Path, given: int) -> None:
    header = read_gguf(write_split(tmp_path)[given])
    assert [tensor.name for tensor in header.tensors] == ["t0", "t1", "t2"]


def test_a_missing_file_of_a_split_model_is_named(tmp_path: Path) -> None:
    first, second, _ = write_split(tmp_path)
    second.unlink()
    with pytest.raises(FormatError, match=r"model-00002-of-00003\.gguf: No such file"):
        read_gguf(first)


def test_a_renamed_file_of_a_split_model(tmp_path: Path) -> None:
    renamed = write_split(tmp_path)[0].rename(tmp_path / "model.gguf")
    with pytest.raises(FormatError, match=r"model\.gguf: .* not the name of one of 3 files"):
        read_gguf(renamed)


def test_files_of_two_split_models(tmp_path: Path) -> None:
    first, second, _ = write_split(tmp_path)
    second.write_bytes(first.read_bytes())
    with pytest.raises(FormatError, match=r"model-00001-of-00003\.gguf: file 1 of 3 .* twice"):
        read_gguf(first)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"<html>", "HTML page"),
        (b"GGUF\3\0\0\0", "cut short"),
        ((HEADERS / "phi-4.gguf").read_bytes()[:9000], "cut short"),
    ],
    ids=["empty", "html", "preamble", "half"],
)
def test_damaged_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=rf"bad\.gguf: .*{message}") as caught:
        read_gguf(path)
    assert not isinstance(caught.value, Truncated)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, message in {
        "": "not a file",
        "none.gguf": "No such file",
        "pipe": "not a file",
        "a\0b": "null",
    }.items():
        with pytest.raises(FormatError, match=message):
            read_gguf(tmp_path / name)
