"""The README: what it shows is what the program prints, and its commands work as they stand there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import docs
from tests.support.cli import ROOT

README = ROOT / "README.md"
TEXT = README.read_text("utf-8")
BLOCKS = [
    re.sub(r"^ {4}", "", block, flags=re.MULTILINE)
    for block in re.findall(r"(?:^ {4}\S.*\n(?:^ {4}.*\n)*)+", TEXT, re.MULTILINE)
]
LINES = [line for block in BLOCKS for line in block.splitlines()]
NOT_HERE = ("sh scripts/", "stackgen lock", "stackgen download")
"""What installs something, or asks the hub."""


def commands() -> list[str]:
    """Every command in the README, those joined by && one by one."""
    shell = [
        line.partition("  #")[0].strip()
        for line in LINES
        if re.match(r"(sh|cp|stackgen|\.venv)\b|\.venv/", line)
    ]
    return [part for line in shell for part in line.split(" && ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a clone after its set-up, with a model and a stack of one's own."""
    folder = tmp_path_factory.mktemp("clone") / "stackgen"
    folder.mkdir()
    docs.workplace(folder, "")
    (begin,) = (command for command in commands() if command.startswith("stackgen init"))
    assert docs.shell(begin, folder).returncode == 0
    return folder


def test_the_plan_that_it_shows_is_fresh() -> None:
    assert "<!-- plan: stacks/two-3090s -->" in TEXT
    assert docs.refreshed(TEXT) == TEXT, f"refresh it: {docs.REFRESH}"


def test_there_are_commands_of_each_kind() -> None:
    words = {command.split()[1] for command in commands() if command.split()[0].endswith("stackgen")}
    assert {"plan", "render", "estimate", "schema", "lock"} <= words
    assert len(commands()) >= 10


@pytest.mark.parametrize("command", [c for c in commands() if not c.startswith(NOT_HERE)])
def test_commands_work_as_they_stand_there(command: str, place: Path) -> None:
    if command.startswith("stackgen init"):
        (place / "my-stack.yaml").unlink()
    done = docs.shell(command, place)
    assert done.returncode == 0, done.stdout


def test_scripts_that_it_names_are_there() -> None:
    named = re.findall(r"\bsh (scripts/\w+)", TEXT)
    assert named
    assert all((ROOT / script).is_file() for script in named)


def test_python_works_as_it_stands_there(place: Path) -> None:
    (code,) = (block for block in BLOCKS if block.startswith("from stackgen import"))
    *before, last = code.strip().splitlines()
    shown = "\n".join((*before, "import json", f"print(json.dumps({last}))"))
    done = subprocess.run(
        [sys.executable, "-c", shown],
        cwd=place,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout).keys() == {"devices", "host"}
