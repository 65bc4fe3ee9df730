"""Changes as a diff that people read and git applies."""

import subprocess
from pathlib import Path
from shutil import copytree

import pytest

from stackgen.io.diff import diff
from stackgen.io.tree import apply, compare
from tests.support.trees import on_disk, rendered

BEFORE = rendered(
    x={
        "change": "one\ntwo\nthree\n",
        "remove": "going\n",
        "ending": "no newline",
        "odd": "a\x0bb\u2028c\rd\n",
        "same": "same\n",
        "empty": "",
        "run.sh": "#!/bin/sh\n",
        "empty and going": "",
    }
)
AFTER = rendered(
    x={
        "change": "one\n2\nthree\n",
        "new/file": "fresh\n",
        "ending": "no newline either",
        "odd": "a\x0bb\u2028C\rd\n",
        "same": "same\n",
        "empty": "not any more\n",
        "run.sh": "#!/bin/sh\n",
        "new/run.sh": "#!/bin/sh\nexit\n",
        "new/empty": "",
        "new/a name": "spaced\n",
    }
)


def test_reads_as_diffs_do(tmp_path: Path) -> None:
    apply(tmp_path, compare(tmp_path, rendered(x={"a/change": "one\ntwo\n", "gone": "x\n", "run.sh": "s\n"})))
    (tmp_path / "run.sh").chmod(0o644)
    changes = compare(tmp_path, rendered(x={"a/change": "one\n2", "new": "y\n", "run.sh": "s\n"}))
    assert diff(changes) == (
        "diff --git a/a/change b/a/change\n"
        "--- a/a/change\n"
        "+++ b/a/change\n"
        "@@ -1,2 +1,2 @@\n"
        " one\n"
        "-two\n"
        "+2\n"
        "\\ No newline at end of file\n"
        "diff --git a/gone b/gone\n"
        "deleted file mode 100644\n"
        "--- a/gone\n"
        "+++ /dev/null\n"
        "@@ -1 +0,0 @@\n"
        "-x\n"
        "diff --git a/new b/new\n"
        "new file mode 100644\n"
        "--- /dev/null\n"
        "+++ b/new\n"
        "@@ -0,0 +1 @@\n"
        "+y\n"
        "diff --git a/run.sh b/run.sh\n"
        "old mode 100644\n"
        "new mode 100755\n"
    )


def test_is_empty_when_nothing_changes(tmp_path: Path) -> None:
    apply(tmp_path, compare(tmp_path, BEFORE))
    assert diff(compare(tmp_path, BEFORE)) == ""


def test_shows_conflicts_and_what_force_would_do(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine\n")
    assert "-mine\n+ours\n" in diff(compare(tmp_path, rendered(x={"a": "ours\n"})))


def test_leaves_out_what_stays(tmp_path: Path) -> None:
    apply(tmp_path, compare(tmp_path, rendered(x={"a": "1\n"})))
    (tmp_path / "a").write_text("mine\n")
    assert diff(compare(tmp_path, rendered(x={}))) == ""


def test_bytes_that_are_no_text_do_not_stop_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\n")
    assert "-\ufffd\n+ours\n" in diff(compare(tmp_path, rendered(x={"a": "ours\n"})))


@pytest.mark.tool
def test_git_takes_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    apply(root, compare(root, BEFORE))
    patched = copytree(root, tmp_path / "patched")
    changes = compare(root, AFTER)
    (tmp_path / "changes.patch").write_bytes(diff(changes).encode())
    done = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "../changes.patch"],
        cwd=patched,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    apply(root, changes)
    assert on_disk(patched) == on_disk(root)
    assert (patched / "new/run.sh").stat().st_mode & 0o111
