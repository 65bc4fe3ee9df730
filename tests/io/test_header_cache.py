"""Headers that were read before."""

from pathlib import Path

import pytest

from stackgen.domain.header import GgufHeader
from stackgen.formats.gguf import parse_header
from stackgen.io import cache
from tests.support.hub_files import header

DATA = header("phi-4")
SHA256 = "ab" * 32


def parse(data: memoryview, file_size: int | None) -> GgufHeader:
    return parse_header(data, file_size=file_size)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "stackgen" / "headers"


def test_what_is_put_is_got() -> None:
    assert cache.get(SHA256, 10**9, parse) is None
    cache.put(SHA256, DATA)
    assert cache.get(SHA256, 10**9, parse) == parse_header(DATA)


def test_a_damaged_entry_is_none(folder: Path) -> None:
    cache.put(SHA256, DATA)
    (folder / SHA256).write_bytes(DATA[:100])
    assert cache.get(SHA256, 10**9, parse) is None


@pytest.mark.parametrize("name", [None, "", "../../etc/passwd", "AB" * 32])
def test_only_hashes_are_names(folder: Path, name: str | None) -> None:
    cache.put(name, DATA)
    assert cache.get(name, 10**9, parse) is None
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_no_failure(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file is in the way")
    cache.put(SHA256, DATA)
    assert cache.get(SHA256, 10**9, parse) is None
    assert list(folder.parent.iterdir()) == [folder]
