"""A machine that stops at any step of a change, and perhaps again: nothing is lost, the next run ends it."""

from pathlib import Path
from shutil import copytree

import pytest

from stackgen.io.tree import State, TreeError, apply, compare
from tests.support.trees import Crash, Rendered, crash, everything, folders, on_disk, rendered

BEFORE = rendered(x={"same": "1", "change": "1", "gone/deep/remove": "1"}, y={"y/other": "1"})
AFTER = rendered(x={"same": "1", "change": "2", "new/deep/run.sh": "2"}, y={"y/other": "2"})
LATER = rendered(x={"same": "1", "change": "3", "new/run.sh": "3"}, y={"y/other": "2"})
LAST = rendered(x={"same": "4", "change": "4"}, y={"y/other": "4"})


def flat(files: Rendered) -> dict[str, str]:
    return {str(path): file.text for target in files.values() for path, file in target.items()}


def put(root: Path, files: Rendered) -> None:
    apply(root, compare(root, files))


def put_until(root: Path, files: Rendered, step: int) -> bool:
    """Whether it got to its end before that step."""
    try:
        with crash(step):
            put(root, files)
    except Crash:
        return False
    return True


def steps(tmp_path: Path) -> int:
    root = tmp_path / "count"
    put(root, BEFORE)
    with crash(1000) as made:
        put(root, AFTER)
    return made()


@pytest.fixture
def start(tmp_path: Path) -> Path:
    put(tmp_path / "start", BEFORE)
    (tmp_path / "start/theirs").write_text("theirs")
    return tmp_path / "start"


def assert_is(root: Path, files: Rendered) -> None:
    """Exactly these files are there, nothing of a half-done change, and a further run has nothing to do."""
    assert on_disk(root) == flat(files) | {"theirs": "theirs"}
    assert {path for path in everything(root) if path.startswith(".stackgen")} == {".stackgen/owned.json"}
    assert all(any(path.startswith(f"{folder}/") for path in on_disk(root)) for folder in folders(root))
    assert compare(root, files).clean


def test_there_are_many_steps(tmp_path: Path) -> None:
    assert steps(tmp_path) > 20


def test_every_crash_is_followed_by_a_good_end(tmp_path: Path, start: Path) -> None:
    for step in range(1, steps(tmp_path) + 1):
        root = copytree(start, tmp_path / f"a{step}")
        assert not put_until(root, AFTER, step)
        changes = compare(root, AFTER)
        assert not changes.of(State.CONFLICT, State.LEFT)
        apply(root, changes)
        assert_is(root, AFTER)


def test_every_crash_can_be_followed_by_another_stack(tmp_path: Path, start: Path) -> None:
    for step in range(1, steps(tmp_path) + 1):
        root = copytree(start, tmp_path / f"b{step}")
        put_until(root, AFTER, step)
        put(root, LATER)
        assert_is(root, LATER)


def test_every_crash_can_be_followed_by_a_way_back(tmp_path: Path, start: Path) -> None:
    for step in range(1, steps(tmp_path) + 1):
        root = copytree(start, tmp_path / f"c{step}")
        put_until(root, AFTER, step)
        put(root, BEFORE)
        assert_is(root, BEFORE)


def test_two_crashes_in_a_row(tmp_path: Path, start: Path) -> None:
    """Each first step with a seventh of the second ones, another seventh each time."""
    for first in range(1, steps(tmp_path) + 1):
        once = copytree(start, tmp_path / f"d{first}")
        put_until(once, AFTER, first)
        for second in range(1 + first % 7, 100, 7):
            root = copytree(once, tmp_path / f"d{first}-{second}")
            if put_until(root, LATER, second):
                break
            put(root, LAST)
            assert_is(root, LAST)


def test_a_crash_of_one_target_does_not_lose_the_other(tmp_path: Path, start: Path) -> None:
    for step in range(1, steps(tmp_path) + 1):
        root = copytree(start, tmp_path / f"e{step}")
        put_until(root, AFTER, step)
        put(root, {"x": LATER["x"]})
        put(root, LATER)
        assert_is(root, LATER)


def test_what_was_changed_by_hand_after_a_crash_is_not_lost(tmp_path: Path, start: Path) -> None:
    for step in range(1, steps(tmp_path) + 1):
        root = copytree(start, tmp_path / f"f{step}")
        put_until(root, AFTER, step)
        (root / "change").write_text("mine")
        with pytest.raises(TreeError, match="changed by hand"):
            put(root, LATER)
        assert on_disk(root)["change"] == "mine"
        put(root, rendered(x={}, y={}))
        assert on_disk(root) == {"change": "mine", "theirs": "theirs"}
