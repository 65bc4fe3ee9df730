"""Any sequence of renders, edits and crashes: nothing by hand is lost, and nothing rendered stays behind."""

import shutil
import tempfile
from pathlib import Path, PurePosixPath

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stackgen.io.tree import RenderedFile, State, TreeError, apply, compare
from tests.support.trees import Crash, Rendered, crash, everything, folders, on_disk, times

PATHS = {
    "x": ("a", "x/b", "x/deep/c", "x/deep/er/d"),
    "y": ("e", "y/b", "x/deep/f"),
}
TEXTS = st.sampled_from(("", "1\n", "2\n", "3"))
EVERY_PATH = st.sampled_from(tuple(path for paths in PATHS.values() for path in paths))
FILES = {
    target: st.dictionaries(
        st.sampled_from([PurePosixPath(path) for path in paths]),
        st.builds(RenderedFile, TEXTS, st.booleans()),
    )
    for target, paths in PATHS.items()
}
ALL_TARGETS = st.fixed_dictionaries(FILES)
SOME_TARGETS = st.fixed_dictionaries({}, optional=FILES)


class Folder(RuleBasedStateMachine):
    """An output folder that people and renders share. What a hand wrote has a text that nothing renders."""

    @initialize()
    def start(self) -> None:
        """Nothing is there."""
        self.root = Path(tempfile.mkdtemp())
        self.by_hand: dict[str, str] = {}
        self.touched_folders: set[str] = set()

    def teardown(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    def touch(self, path: str) -> None:
        """A hand was at work here, so that its folders are no longer stackgen's to tidy up."""
        self.touched_folders |= {str(folder) for folder in PurePosixPath(path).parents}

    @rule(
        path=EVERY_PATH | st.sampled_from(("note", "x/note", "x/deep/note", "z/note")),
        number=st.integers(0, 9),
    )
    def write_by_hand(self, path: str, number: int) -> None:
        """Somebody edits a file, or adds one."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(f"by hand {number}")
        self.by_hand[path] = f"by hand {number}"
        self.touch(path)

    @rule(path=EVERY_PATH)
    def delete_by_hand(self, path: str) -> None:
        """Somebody deletes a file."""
        if (self.root / path).exists():
            (self.root / path).unlink()
            self.by_hand.pop(path, None)
            self.touch(path)

    @rule(files=ALL_TARGETS | SOME_TARGETS, force=st.booleans())
    def render(self, files: Rendered, force: bool) -> None:
        """A render that gets to its end, or is refused."""
        before = everything(self.root)
        changes = compare(self.root, files)
        assert everything(self.root) == before
        if changes.of(State.CONFLICT) and not force:
            try:
                apply(self.root, changes)
            except TreeError:
                assert everything(self.root) == before
                return
            raise AssertionError("a conflict was ignored")
        apply(self.root, changes, force=force)
        self.overwritten(files, force=force)
        self.is_done(files, before)

    @rule(files=ALL_TARGETS | SOME_TARGETS, force=st.booleans(), step=st.integers(1, 40))
    def render_until_a_crash(self, files: Rendered, force: bool, step: int) -> None:
        """A render that stops somewhere, unless it is done before."""
        try:
            with crash(step):
                apply(self.root, compare(self.root, files), force=force)
        except (Crash, TreeError):
            pass
        self.overwritten(files, force=force)

    def overwritten(self, files: Rendered, *, force: bool) -> None:
        """By force, rendered files take the place of those that a hand wrote."""
        if force:
            for path in (str(path) for target in files.values() for path in target):
                if (self.root / path).is_file() and (self.root / path).read_text() != self.by_hand.get(path):
                    self.by_hand.pop(path, None)

    def is_done(self, files: Rendered, before: dict[str, str]) -> None:
        """What was rendered is there, once and for all, and what these targets rendered earlier is not."""
        found = on_disk(self.root)
        for target in files.values():
            for path, file in target.items():
                assert found[str(path)] == file.text
                assert not file.executable or (self.root / path).stat().st_mode & 0o111
        assert not any(path.endswith("stackgen-new") for path in everything(self.root))
        wanted = {str(path) for target in files.values() for path in target}
        others = {path for target in PATHS if target not in files for path in PATHS[target]}
        assert found.keys() - wanted - others <= self.by_hand.keys()
        assert {path: found.get(path) for path in others} == {path: before.get(path) for path in others}
        if files.keys() == PATHS.keys():
            full = {str(folder) for path in found for folder in PurePosixPath(path).parents}
            assert folders(self.root) <= full | self.touched_folders
        once = times(self.root)
        again = compare(self.root, files)
        assert again.clean
        apply(self.root, again)
        assert times(self.root) == once

    @invariant()
    def nothing_by_hand_is_lost(self) -> None:
        """What people wrote is as they wrote it."""
        if hasattr(self, "root"):
            found = on_disk(self.root)
            assert {path: found.get(path) for path in self.by_hand} == self.by_hand


TestFolder = Folder.TestCase
TestFolder.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
