"""The program as a process: its name, its version, interrupts, and outputs that take nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import ROOT, STACKS

PROGRAM = [sys.executable, "-m", "stackgen"]
FULL = Path("/dev/full")


def run(*arguments: str | Path, stdout: int | None = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


@pytest.mark.parametrize("arguments", [["--version"], ["version"]])
def test_the_version_both_ways(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 0
    assert done.stdout.startswith("stackgen ")
    assert len(done.stdout.splitlines()) == 1


def test_the_commands_of_a_newcomer_come_first() -> None:
    listed = run("--help").stdout.partition("Commands:")[2].split()
    assert [word for word in listed if word in {"plan", "render", "lock", "schema"}] == [
        "plan",
        "render",
        "lock",
        "schema",
    ]


@pytest.mark.parametrize("arguments", [["plan", STACKS / "two-3090s"], ["--version"], ["schema"]])
def test_a_full_disk_is_no_bug_of_ours(arguments: list[str | Path]) -> None:
    with FULL.open("w") as full:
        done = run(*arguments, stdout=full.fileno())
    assert done.returncode == 2
    assert done.stderr == "stackgen: [Errno 28] No space left on device\n"


def test_a_reader_that_leaves_early_is_told_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run("schema", stdout=writing)
    os.close(writing)
    assert done.stderr == ""


def test_closed_streams() -> None:
    command = f"{sys.executable} -m stackgen plan {STACKS / 'two-3090s'} >&- 2>&-"
    assert subprocess.run(command, shell=True, cwd=ROOT).returncode == 0  # noqa: S602 - the shell closes them


INTERRUPTED = """
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "stackgen.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from stackgen.__main__ import main
main()
"""


def test_an_interrupt_while_the_program_loads_shows_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
