"""What separates a folder from what was rendered, and how it is made the same."""

import json
import os
import stat
from pathlib import Path, PurePosixPath

import pytest

from stackgen.io.tree import RenderedFile, State, TreeError, apply, compare
from tests.support.trees import Rendered, everything, folders, on_disk, rendered, times

FIRST = rendered(compose={"compose/box/compose.yaml": "a: 1\n", "compose/box/llama/presets.ini": "[*]\n"})


def put(root: Path, files: Rendered, *, force: bool = False) -> dict[str, State]:
    """Compare and apply; what was in which state but `same`."""
    changes = compare(root, files)
    apply(root, changes, force=force)
    return {str(item.path): item.state for item in changes.items if item.state is not State.SAME}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the files of `FIRST`."""
    put(tmp_path / "out", FIRST)
    return tmp_path / "out"


class TestStates:
    def test_a_new_folder_is_created(self, tmp_path: Path) -> None:
        states = put(tmp_path / "not" / "yet", FIRST)
        assert set(states.values()) == {State.ADD}
        assert on_disk(tmp_path / "not" / "yet") == {
            "compose/box/compose.yaml": "a: 1\n",
            "compose/box/llama/presets.ini": "[*]\n",
        }

    def test_a_second_time_touches_nothing(self, root: Path) -> None:
        before = times(root)
        assert put(root, FIRST) == {}
        assert compare(root, FIRST).clean
        assert times(root) == before

    def test_what_is_rendered_otherwise_is_changed(self, root: Path) -> None:
        states = put(root, rendered(compose={"compose/box/compose.yaml": "a: 2\n"}))
        assert states == {
            "compose/box/compose.yaml": State.CHANGE,
            "compose/box/llama/presets.ini": State.REMOVE,
        }
        assert on_disk(root) == {"compose/box/compose.yaml": "a: 2\n"}
        assert folders(root) == {"compose", "compose/box"}

    def test_what_was_deleted_by_hand_is_added_again(self, root: Path) -> None:
        (root / "compose/box/compose.yaml").unlink()
        assert put(root, FIRST) == {"compose/box/compose.yaml": State.GONE}
        assert on_disk(root)["compose/box/compose.yaml"] == "a: 1\n"

    def test_what_was_deleted_by_hand_and_is_not_wanted_is_forgotten(self, root: Path) -> None:
        (root / "compose/box/llama/presets.ini").unlink()
        assert put(root, rendered(compose={"compose/box/compose.yaml": "a: 1\n"})) == {}
        assert owned(root) == ["compose/box/compose.yaml"]
        assert "compose/box/llama" not in folders(root)

    def test_what_was_changed_by_hand_is_a_conflict(self, root: Path) -> None:
        (root / "compose/box/compose.yaml").write_text("mine\n")
        (root / "compose/box/llama/presets.ini").unlink()
        before = everything(root)
        changes = compare(root, FIRST)
        assert [str(item.path) for item in changes.of(State.CONFLICT)] == ["compose/box/compose.yaml"]
        with pytest.raises(TreeError, match=r"changed by hand, .*: compose/box/compose\.yaml") as caught:
            apply(root, changes)
        assert "nothing was written" in str(caught.value.hint)
        assert everything(root) == before

    def test_what_is_not_ours_is_a_conflict(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("theirs")
        assert [c.state for c in compare(tmp_path, rendered(x={"a": "ours"})).items] == [State.CONFLICT]
        assert put(tmp_path, rendered(x={"a": "ours"}), force=True) == {"a": State.CONFLICT}
        assert on_disk(tmp_path) == {"a": "ours"}
        assert put(tmp_path, rendered(x={"a": "ours, too"})) == {"a": State.CHANGE}

    def test_what_was_changed_to_what_is_rendered_now_is_the_same(self, root: Path) -> None:
        (root / "compose/box/compose.yaml").write_text("a: 2\n")
        after = rendered(compose={"compose/box/compose.yaml": "a: 2\n"})
        assert "compose/box/compose.yaml" not in put(root, after)
        assert put(root, rendered(compose={"compose/box/compose.yaml": "a: 3\n"})) == {
            "compose/box/compose.yaml": State.CHANGE
        }

    def test_a_gitignore_stays_as_long_as_it_hides_something(self, tmp_path: Path) -> None:
        root, nothing = tmp_path / "out", rendered(compose={})
        hiding = rendered(compose={"compose/box/.gitignore": ".env\n"})
        put(root, hiding)
        (root / "compose/box/.env").write_text("TOKEN=1\n")
        assert put(root, nothing) == {"compose/box/.gitignore": State.GUARD}
        assert on_disk(root) == {"compose/box/.gitignore": ".env\n", "compose/box/.env": "TOKEN=1\n"}
        assert compare(root, nothing).clean
        assert put(root, hiding) == {}
        (root / "compose/box/.env").unlink()
        assert put(root, nothing) == {"compose/box/.gitignore": State.REMOVE}

    def test_what_is_not_rendered_any_more_but_changed_by_hand_stays(self, root: Path) -> None:
        (root / "compose/box/llama/presets.ini").write_text("mine")
        less = rendered(compose={"compose/box/compose.yaml": "a: 1\n"})
        assert put(root, less, force=True) == {"compose/box/llama/presets.ini": State.LEFT}
        assert on_disk(root)["compose/box/llama/presets.ini"] == "mine"
        assert put(root, less) == {}

    def test_a_lost_list_is_no_loss(self, root: Path) -> None:
        (root / ".stackgen/owned.json").unlink()
        assert compare(root, FIRST).clean
        assert put(root, FIRST) == {}
        assert put(root, rendered(compose={})) == {
            "compose/box/compose.yaml": State.REMOVE,
            "compose/box/llama/presets.ini": State.REMOVE,
        }

    def test_nothing_to_own_leaves_no_trace(self, tmp_path: Path) -> None:
        put(tmp_path / "out", rendered(compose={}))
        assert not (tmp_path / "out").exists()


def owned(root: Path) -> list[str]:
    return list(json.loads((root / ".stackgen/owned.json").read_text())["files"])


class TestTargets:
    both = rendered(compose={"compose/a": "1", "compose/b": "1"}, nixos={"nixos/a": "1"})

    def test_other_targets_keep_their_files(self, tmp_path: Path) -> None:
        put(tmp_path, self.both)
        (tmp_path / "nixos/a").write_text("changed by hand")
        assert put(tmp_path, rendered(compose={"compose/a": "2"})) == {
            "compose/a": State.CHANGE,
            "compose/b": State.REMOVE,
        }
        assert owned(tmp_path) == ["compose/a", "nixos/a"]
        assert [c.state for c in compare(tmp_path, self.both).of(State.CONFLICT)] == [State.CONFLICT]

    def test_a_target_without_files_loses_those_it_had(self, tmp_path: Path) -> None:
        put(tmp_path, self.both)
        assert put(tmp_path, rendered(compose={}, nixos={"nixos/a": "1"})) == {
            "compose/a": State.REMOVE,
            "compose/b": State.REMOVE,
        }
        assert folders(tmp_path) == {"nixos"}

    def test_two_targets_cannot_render_the_same_file(self, tmp_path: Path) -> None:
        with pytest.raises(TreeError, match="a is rendered by compose and by nixos"):
            compare(tmp_path, rendered(compose={"a": "1"}, nixos={"a": "1"}))


class TestFolders:
    def test_those_of_others_stay_even_when_empty(self, tmp_path: Path) -> None:
        (tmp_path / "theirs").mkdir()
        put(tmp_path, rendered(x={"theirs/ours/a": "1"}))
        put(tmp_path, rendered(x={}))
        assert folders(tmp_path) == {"theirs"}

    def test_ours_stay_while_something_is_in_them(self, tmp_path: Path) -> None:
        put(tmp_path, rendered(x={"ours/deep/a": "1"}))
        (tmp_path / "ours/note").write_text("theirs")
        put(tmp_path, rendered(x={}))
        assert on_disk(tmp_path) == {"ours/note": "theirs"}
        assert folders(tmp_path) == {"ours"}


class TestBytes:
    def test_line_ends_and_marks_are_exact(self, tmp_path: Path) -> None:
        text = "a\r\nb\rc\n\ufeffd\u2028ä😀 no end"
        put(tmp_path, rendered(x={"a": text}))
        assert (tmp_path / "a").read_bytes() == text.encode()
        assert put(tmp_path, rendered(x={"a": text})) == {}

    def test_scripts_can_be_executed(self, tmp_path: Path) -> None:
        put(tmp_path, rendered(x={"run.sh": "#!/bin/sh\n", "plain": "x"}))
        assert modes(tmp_path) == {"run.sh": True, "plain": False}

    def test_a_lost_mode_comes_back(self, tmp_path: Path) -> None:
        files = rendered(x={"run.sh": "#!/bin/sh\n"})
        put(tmp_path, files)
        (tmp_path / "run.sh").chmod(0o644)
        assert put(tmp_path, files) == {"run.sh": State.CHANGE}
        assert modes(tmp_path) == {"run.sh": True}

    def test_a_disk_on_which_everything_can_be_executed_is_fine(self, tmp_path: Path) -> None:
        put(tmp_path, rendered(x={"plain": "x"}))
        (tmp_path / "plain").chmod(0o755)
        assert compare(tmp_path, rendered(x={"plain": "x"})).clean

    def test_the_umask_holds(self, tmp_path: Path) -> None:
        before = os.umask(0o027)
        try:
            put(tmp_path, rendered(x={"run.sh": "", "plain": ""}))
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "run.sh").stat().st_mode) == 0o750
        assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o640


def modes(root: Path) -> dict[str, bool]:
    return {path: os.access(root / path, os.X_OK) for path in on_disk(root)}


class TestList:
    def test_is_sorted_readable_and_without_contents(self, root: Path) -> None:
        assert (root / ".stackgen/owned.json").read_text() == (
            "{\n"
            '  "version": 1,\n'
            '  "files": {\n'
            '    "compose/box/compose.yaml": {\n'
            '      "target": "compose",\n'
            '      "sha256": "37b128c59f1f5097f73f82691cb519f1f568667faab5ced1b4ab979d36837eae"\n'
            "    },\n"
            '    "compose/box/llama/presets.ini": {\n'
            '      "target": "compose",\n'
            '      "sha256": "91a02689daae4742c896cb175e0e614acb40335cc81e408bf62cdb50d320aa6d"\n'
            "    }\n"
            "  },\n"
            '  "folders": [\n'
            '    "compose",\n'
            '    "compose/box",\n'
            '    "compose/box/llama"\n'
            "  ]\n"
            "}\n"
        )
        assert sorted(everything(root)) == [
            ".stackgen/owned.json",
            "compose/box/compose.yaml",
            "compose/box/llama/presets.ini",
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "<<<<<<< HEAD",
            "[]",
            "null",
            "{}",
            '{"version": 2, "files": {}, "folders": []}',
            '{"version": 1, "files": [], "folders": []}',
            '{"version": 1, "files": {"a": "b"}, "folders": []}',
            '{"version": 1, "files": {"a": {"target": "x", "sha256": 1}}, "folders": []}',
            '{"version": 1, "files": {"../a": {"target": "x", "sha256": "b"}}, "folders": []}',
            '{"version": 1, "files": {"/a": {"target": "x", "sha256": "b"}}, "folders": []}',
            '{"version": 1, "files": {".git/config": {"target": "x", "sha256": "b"}}, "folders": []}',
            '{"version": 1, "files": {}, "folders": [".."]}',
            "[" * 100000,
        ],
    )
    def test_a_damaged_one_stops_everything(self, root: Path, text: str) -> None:
        (root / ".stackgen/owned.json").write_text(text)
        with pytest.raises(TreeError, match="is not a list of files") as caught:
            compare(root, FIRST)
        assert "restore it" in str(caught.value.hint)

    def test_bytes_that_are_no_text_as_well(self, root: Path) -> None:
        (root / ".stackgen/owned.json").write_bytes(b"\xff\xfe")
        with pytest.raises(TreeError, match="is not a list of files"):
            compare(root, FIRST)


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("/etc/passwd", "leads out"),
            ("../a", "leads out"),
            ("a/../../b", "leads out"),
            ("", "empty"),
            (".", "empty"),
            ("a\\b", "backslash"),
            ("a\nb", "control character"),
            ("a\0b", "control character"),
            (".git/hooks/x", "reserved"),
            ("a/.GIT/config", "reserved"),
            (".stackgen/owned.json", "reserved"),
            (".a.stackgen-new", "temporary"),
            ("ä" * 101, "longer than 200 bytes"),
            ("\ud800", "not text"),
        ],
    )
    def test_paths_that_are_no_files_below_the_root(self, tmp_path: Path, path: str, reason: str) -> None:
        with pytest.raises(TreeError, match=reason):
            compare(tmp_path, {"x": {PurePosixPath(path): RenderedFile("1")}})

    @pytest.mark.parametrize(
        ("paths", "reason"),
        [
            (("a/B", "a/b"), "ignore case"),
            (("A/x", "a/y"), "ignore case"),
            (("straße", "STRASSE"), "ignore case"),
            (("\u00e9", "e\u0301"), "ignore case"),
            (("a", "a/b"), "a file and a folder"),
        ],
    )
    def test_paths_that_are_in_each_others_way(
        self, tmp_path: Path, paths: tuple[str, ...], reason: str
    ) -> None:
        with pytest.raises(TreeError, match=reason):
            compare(tmp_path, rendered(x=dict.fromkeys(paths, "1")))

    def test_a_clash_with_another_targets_file(self, tmp_path: Path) -> None:
        put(tmp_path, rendered(x={"a/b": "1"}))
        with pytest.raises(TreeError, match="ignore case"):
            compare(tmp_path, rendered(y={"a/B": "1"}))

    def test_a_root_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("x")
        with pytest.raises(TreeError, match="is not a folder"):
            compare(tmp_path / "out", FIRST)

    def test_a_root_that_is_a_link_to_a_folder_is_fine(self, tmp_path: Path, root: Path) -> None:
        (tmp_path / "link").symlink_to(root)
        assert compare(tmp_path / "link", FIRST).clean

    @pytest.mark.parametrize("at", ["compose", "compose/box", "compose/box/compose.yaml", ".stackgen"])
    @pytest.mark.parametrize("inside", [True, False])
    @pytest.mark.parametrize("force", [True, False])
    def test_links_are_never_followed_nor_replaced(
        self, tmp_path: Path, root: Path, at: str, inside: bool, force: bool
    ) -> None:
        """What was there moves elsewhere, and a link to it takes its place."""
        elsewhere = (root if inside else tmp_path) / "elsewhere"
        (root / at).rename(elsewhere)
        (root / at).symlink_to(elsewhere)
        before = everything(tmp_path)
        with pytest.raises(TreeError, match="is a symbolic link") as caught:
            put(root, rendered(compose={"compose/box/compose.yaml": "a: 2\n"}), force=force)
        assert caught.value.hint == "move it out of the way"
        assert everything(tmp_path) == before

    def test_a_link_in_the_place_of_a_file_that_is_not_wanted_stays(self, tmp_path: Path, root: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/presets.ini").write_text("[*]\n")
        for name in ("presets.ini",):
            (root / "compose/box/llama" / name).unlink()
        (root / "compose/box/llama").rmdir()
        (root / "compose/box/llama").symlink_to(tmp_path / "outside")
        less = rendered(compose={"compose/box/compose.yaml": "a: 1\n"})
        assert put(root, less) == {"compose/box/llama/presets.ini": State.LEFT}
        assert (tmp_path / "outside/presets.ini").read_text() == "[*]\n"
        assert (root / "compose/box/llama").is_symlink()

    def test_a_folder_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        with pytest.raises(TreeError, match="is a folder, not a file"):
            compare(tmp_path, rendered(x={"a": "1"}))

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("x")
        with pytest.raises(TreeError, match="is a file, not a folder"):
            compare(tmp_path, rendered(x={"a/b": "1"}))

    def test_a_pipe_is_not_read(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a")
        with pytest.raises(TreeError, match="is a special file"):
            compare(tmp_path, rendered(x={"a": "1"}))

    def test_a_disk_that_cannot_be_written_to(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: object, **options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(TreeError, match=r"out/.*: Permission denied"):
            put(root, rendered(compose={"compose/box/compose.yaml": "a: 2\n"}))

    @pytest.mark.parametrize("act", ["edit", "add", "delete"])
    def test_what_changes_after_the_comparison_is_not_lost(self, root: Path, act: str) -> None:
        files = rendered(compose={"compose/box/compose.yaml": "a: 2\n", "compose/new": "1"})
        changes = compare(root, files)
        match act:
            case "edit":
                (root / "compose/box/compose.yaml").write_text("just now")
            case "add":
                (root / "compose/new").write_text("just now")
            case _:
                (root / "compose/box/llama/presets.ini").unlink()
        before = everything(root)
        with pytest.raises(TreeError, match="changed in the meantime"):
            apply(root, changes, force=True)
        assert everything(root) == before
