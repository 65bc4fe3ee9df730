"""Runs an install.sh with stand-ins for what changes a system, below a folder of its own."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from stackgen.domain.document import Document
from tests.support.compose import write
from tests.support.programs import require

_TOOLS = ("systemctl", "systemd-sysusers", "systemd-tmpfiles", "podman", "chown")


def install(
    folder: Path, below: str, documents: Iterable[Document], *, uid: int = 0, secrets: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Write documents and run the script among them; Podman has these secrets."""
    shutil.rmtree(folder / below, ignore_errors=True)
    write(folder, documents)
    root, script = folder / "root", folder / below / "install.sh"
    root.mkdir(exist_ok=True)
    script.write_text(re.sub(r"(?<![\w.])/(etc|var)/", rf"{root}/\1/", script.read_text()))
    root.joinpath("log").write_text("")
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    known = "|".join(secrets) or "-"
    after = {"podman": f"case $3 in {known}) ;; *) exit 1 ;; esac"}
    for name in _TOOLS:
        tools.joinpath(name).write_text(f'#!/bin/sh\necho "{name} $*" >>"$ROOT/log"\n{after.get(name, "")}\n')
    tools.joinpath("id").write_text(f"#!/bin/sh\necho {uid}\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    env = {"PATH": f"{tools}:{os.environ['PATH']}", "ROOT": str(root)}
    command = [require("sh"), str(script)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=30)


def changes(folder: Path) -> list[str]:
    """What the last script did to the system, in order."""
    return (folder / "root" / "log").read_text().replace(f"{folder}/root", "").splitlines()
