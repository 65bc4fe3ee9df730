"""Drives the real Caddy, as an independent reader of its files."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.programs import require


def adapted(text: str, folder: Path) -> Any:
    """The configuration that Caddy understands, as JSON; fails on any complaint but one about the layout."""
    done = _caddy("adapt", text, folder)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "not formatted" not in line] == []
    return json.loads(done.stdout)


def formatted(text: str, folder: Path) -> str:
    """The file as Caddy's own formatter lays it out."""
    file = folder / "Caddyfile"
    file.write_bytes(text.encode())
    done = subprocess.run(
        [require("caddy"), "fmt", str(file)], capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    return done.stdout


def validate(text: str, folder: Path) -> None:
    """Load every module and start nothing, as `caddy validate` does."""
    done = _caddy("validate", text, folder)
    assert done.returncode == 0, done.stderr
    complaints = [line for line in done.stderr.splitlines() if '"level":"warn"' in line]
    assert [line for line in complaints if "only on the HTTP port" not in line] == []


def refusal(text: str, folder: Path) -> str:
    """Why Caddy takes no such file."""
    done = _caddy("adapt", text, folder)
    assert done.returncode != 0, done.stdout
    return done.stderr


def _caddy(command: str, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "Caddyfile"
    file.write_bytes(text.encode())
    return subprocess.run(
        [require("caddy"), command, "--config", str(file), "--adapter", "caddyfile"],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
