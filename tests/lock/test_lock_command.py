"""`stackgen lock`, `--locked`, and the stack whose lock is in the repository, against a hub on loopback."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.support.cli import Run, stackgen
from tests.support.fake_hub import FakeHub, Fault
from tests.support.golden import assert_tree
from tests.support.hub_files import put
from tests.support.locked_hub import STACK, environment, locked_hub

GOLDEN = Path(__file__).parents[1] / "golden" / "locked"


class Place:
    """A copy of the stack, and a hub."""

    def __init__(self, root: Path, hub: FakeHub) -> None:
        self.root, self.hub = root, hub
        self.stack = root / "stack"
        self.lock = self.stack / "stack.lock"
        shutil.copytree(STACK, self.stack, ignore=shutil.ignore_patterns("*.lock"))

    def run(self, *arguments: str | Path) -> Run:
        return stackgen(*arguments, cwd=self.stack, env=environment(self.hub, self.root))

    @staticmethod
    def said(run: Run) -> str:
        """What stood on stderr, unwrapped."""
        return " ".join(run.err.split())

    def change(self, old: str, new: str) -> None:
        file = self.stack / "stack.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with locked_hub(tmp_path / "hub") as hub:
        yield Place(tmp_path, hub)


def test_the_lock_in_the_repository_is_what_the_hub_gives(
    place: Place, request: pytest.FixtureRequest
) -> None:
    run = place.run("lock")
    assert (run.status, run.out) == (0, "")
    assert run.err.splitlines()[-1] == "stack.lock: 5 models, 55.4 GiB"
    if request.config.getoption("--snapshot-update"):
        shutil.copy(place.lock, STACK / "stack.lock")
    assert place.lock.read_text() == (STACK / "stack.lock").read_text()
    assert len([a for a in place.hub.asked if "/api/" in a.path]) == 5
    assert len([a for a in place.hub.asked if "/cdn/" in a.path]) == 10


def test_a_second_lock_asks_nobody_and_changes_nothing(place: Place) -> None:
    place.run("lock")
    before, stamp = place.lock.read_bytes(), place.lock.stat().st_mtime_ns
    place.hub.asked.clear()
    assert place.run("lock").status == 0
    assert (place.lock.read_bytes(), place.lock.stat().st_mtime_ns) == (before, stamp)
    assert place.hub.asked == []


def test_pins_move_when_asked_to_and_one_by_one(place: Place) -> None:
    place.run("lock")
    put(place.hub.root, "home/nano-GGUF", {"README.md": b"new"})
    put(place.hub.root, "home/pictures", {"README.md": b"new"})
    assert "moved" not in place.run("lock").err
    place.hub.asked.clear()
    moved = place.run("lock", "nano", "--upgrade").err
    assert "moved nano: home/nano-GGUF from b5085284132e to " in moved
    assert "pictures" not in moved
    # The weights are the same, so that their header comes from the cache.
    assert [a.path.partition("?")[0] for a in place.hub.asked] == ["/api/models/home/nano-GGUF/revision/main"]
    assert "moved pictures" in place.run("lock", "--upgrade").err


def test_check_names_the_request_that_is_stale(place: Place) -> None:
    assert place.run("lock", "--check").status == 3
    place.run("lock")
    assert place.run("lock", "--check").status == 0
    place.change("UD-Q4_K_XL", "Q4_K_M")
    run = place.run("lock", "--check")
    assert run.status == 3
    assert (
        "`nano` was locked for another request: quant was UD-Q4_K_XL and is Q4_K_M [lock/stale]"
        in place.said(run)
    )
    assert "stack.yaml:9:9" in place.said(run)
    assert "run `stackgen lock`" in place.said(run)
    run = place.run("plan", "--locked")
    assert (run.status, run.out) == (3, "")
    assert place.run("render", "--locked", "-o", place.root / "out").status == 3
    assert not (place.root / "out").exists()
    assert "lock/stale" in place.run("plan").err


def test_a_failing_lock_leaves_the_old_one_and_says_what_was_reached(place: Place) -> None:
    place.run("lock")
    before = place.lock.read_bytes()
    place.change("home/split-GGUF:Q8_0", "home/none-GGUF:Q8_0")
    place.change("home/nano-GGUF:UD-Q4_K_XL", "home/nano-GGUF:Q4_K_M")
    place.change("mmproj-F16.gguf", "mmproj-F61.gguf")
    run = place.run("lock")
    assert run.status == 1
    assert place.lock.read_bytes() == before
    assert "there is no repository home/none-GGUF" in place.said(run)
    assert "did you mean `mmproj-F16.gguf`?" in place.said(run)
    assert "stack.lock is as it was; resolved, and read from the cache next time: nano" in place.said(run)


def test_a_damaged_header_and_a_file_that_is_shorter_than_its_tensors_are_refused(place: Place) -> None:
    place.hub.big["home/nano-GGUF/nano-UD-Q4_K_XL.gguf"] = 1_000_000
    put(place.hub.root, "home/pictures", {"split_files/ae.safetensors": b"<html>no</html>"})
    run = place.run("lock")
    assert run.status == 1
    assert "its tensors take 22.8 GiB, the file has 977 KiB" in place.said(run)
    assert "not a safetensors file but an HTML page" in place.said(run)
    assert not place.lock.exists()


def test_an_interrupted_lock_ends_at_once_and_leaves_nothing(place: Place) -> None:
    place.hub.faults = [Fault(on="/cdn/home/vision", pause=5, times=99)]
    command = [sys.executable, "-c", "from stackgen.cli import main; main()", "lock", str(place.stack)]
    env = os.environ | environment(place.hub, place.root)
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not any("/cdn/home/nano" in a.path for a in place.hub.asked) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - start < 3
    assert "no stack.lock was written" in err
    assert not place.lock.exists()


def test_offline_mode_is_respected(place: Place) -> None:
    run = stackgen("lock", place.stack, env=environment(place.hub, place.root) | {"HF_HUB_OFFLINE": "1"})
    assert run.status == 1
    assert "HF_HUB_OFFLINE is set" in run.err
    assert place.hub.asked == []


def test_a_model_that_is_not_there_is_a_wrong_command_line(place: Place) -> None:
    run = place.run("lock", "nanoo", "--upgrade")
    assert run.status == 2
    assert "the stack has no model 'nanoo'" in run.err
    assert place.run("lock", "nano").status == 2


def test_a_lock_of_the_future_is_refused(place: Place) -> None:
    place.lock.write_text('{"version": 2, "models": {}}')
    run = place.run("plan")
    assert run.status == 3
    assert "has version 2; this stackgen reads version 1" in run.err


def test_what_is_locked_is_planned_exactly_and_rendered_by_its_real_names(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    targets = ("--target", "compose", "--target", "files")
    run = stackgen("render", "--locked", *targets, STACK, "-o", tmp_path, env={"HF_HUB_OFFLINE": "1"})
    assert run.status == 0, run.err
    rendered = {
        PurePosixPath(f.relative_to(tmp_path).as_posix()): f.read_text()
        for f in tmp_path.rglob("*")
        if f.is_file() and ".stackgen" not in f.parts
    }
    assert_tree(GOLDEN, rendered, request)
    plan = stackgen("plan", "--locked", "--format", "json", STACK).out
    assert '"basis": "exact"' in plan
    assert '"basis": "catalog"' not in plan


def test_a_terminal_sees_how_far_it_is(place: Place) -> None:
    main, other = os.openpty()
    command = [sys.executable, "-c", "from stackgen.cli import main; main()", "lock", str(place.stack)]
    env = os.environ | environment(place.hub, place.root) | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, env=env, stderr=other, stdout=subprocess.DEVNULL) as process:
        os.close(other)
        seen = b""
        # The end of a terminal is an error on Linux.
        with contextlib.suppress(OSError):
            while chunk := os.read(main, 65536):
                seen += chunk
    os.close(main)
    assert process.returncode == 0
    assert b"/5" in seen
    assert b"\x1b[" in seen
    assert "stack.lock: 5 models" in seen.decode()


def test_the_plan_says_how_long_downloads_take_at_the_stated_rate(tmp_path: Path) -> None:
    text = (STACK / "stack.yaml").read_text()
    (tmp_path / "stack.yaml").write_text(text.replace("ram: 128GiB", "ram: 128GiB, download_rate: 400Mbit/s"))
    shutil.copy(STACK / "stack.lock", tmp_path)
    without, told = stackgen("plan", STACK).out, stackgen("plan", tmp_path).out
    # 24.6 GB at 50 MB/s; together 59.5 GB less the pictures.
    rows = {
        line.split()[0]: " ".join(line.split()[3:])
        for line in told.splitlines()
        if "GiB" in line and " weights" in line
    }
    assert rows["nano"].startswith("9 min weights"), rows
    assert rows["together"].startswith("20 min weights"), rows
    assert "9 min" not in without
