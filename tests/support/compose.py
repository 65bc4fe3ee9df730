"""Drives the real Docker Compose, which needs no engine to check and normalize a project."""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stackgen.domain.document import Document
from stackgen.emit import to_text
from tests.support.programs import require


def write(folder: Path, documents: Iterable[Document]) -> None:
    """Write documents below a folder, as the program does."""
    for document in documents:
        file = folder / document.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(to_text(document).encode())


def run(project: Path, *profiles: str) -> subprocess.CompletedProcess[str]:
    """`docker compose config` as JSON, without any variable of this shell."""
    chosen = [argument for profile in profiles for argument in ("--profile", profile)]
    return subprocess.run(
        [require("docker-compose"), *chosen, "config", "--format", "json"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "HOME": str(project)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def config(project: Path, *profiles: str) -> Any:
    """The project as compose understands it; fails on any complaint, warnings included."""
    done = run(project, *profiles)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return _plain(json.loads(done.stdout))


def _plain(tree: Any) -> Any:
    """Compose prints a project that it could read again, so its `$` are doubled; here they are not."""
    match tree:
        case str():
            return tree.replace("$$", "$")
        case dict():
            return {key: _plain(value) for key, value in tree.items()}
        case list():
            return [_plain(value) for value in tree]
        case _:
            return tree
