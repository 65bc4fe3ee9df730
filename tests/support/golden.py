"""Trees of files that a person can open, compared with what the program writes now."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest


def assert_tree(golden: Path, texts: Mapping[PurePosixPath, str], request: pytest.FixtureRequest) -> None:
    """Compare every file; `--snapshot-update` writes the tree anew, and deletes what is no longer in it."""
    if request.config.getoption("--snapshot-update"):
        _write(golden, texts)
    found = {
        PurePosixPath(file.relative_to(golden).as_posix()): file.read_bytes().decode()
        for file in golden.rglob("*")
        if file.is_file()
    }
    assert sorted(map(str, found)) == sorted(map(str, texts))
    for path, text in texts.items():
        assert found[path] == text, f"{path} changed; if that is meant: pytest --snapshot-update"


def _write(golden: Path, texts: Mapping[PurePosixPath, str]) -> None:
    for file in [file for file in golden.rglob("*") if file.is_file()]:
        file.unlink()
    for path, text in texts.items():
        (golden / path).parent.mkdir(parents=True, exist_ok=True)
        (golden / path).write_bytes(text.encode())
