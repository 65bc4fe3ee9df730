"""A root folder with unit files in it, for what systemd itself says of them."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.programs import require


def root_with(units: Mapping[str, str], root: Path) -> Path:
    """A root with units, systemd's own, and a stand-in for each program that they start."""
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    root.joinpath("lib").symlink_to("usr/lib")
    for name, text in units.items():
        write(root / "etc/systemd/system" / name, text, 0o644)
        for program in re.findall(r"(?m)^Exec\w+=[-+!]?(\S+)", text):
            path = program.removeprefix("/") if program.startswith("/") else f"usr/bin/{program}"
            if not (root / path).exists():
                write(root / path, "#!/bin/sh\n")
    return root


def write(file: Path, text: str, mode: int = 0o755) -> None:
    """Write a file below new folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def verify(name: str, root: Path) -> str:
    """What systemd has to say of an installed unit; nothing is best."""
    options = ("--man=no", "--recursive-errors=yes", f"--root={root}")
    command = [require("systemd-analyze"), "verify", *options, f"/etc/systemd/system/{name}"]
    done = subprocess.run(command, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert said or done.returncode == 0
    return said


def exposure(name: str, root: Path) -> float:
    """How open systemd finds an installed unit: 0 shut in, 10 wide open."""
    options = ("--offline=true", "--no-pager", f"--root={root}")
    command = [require("systemd-analyze"), "security", *options, f"/etc/systemd/system/{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    overall = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert overall, done.stdout
    return float(overall[1])
