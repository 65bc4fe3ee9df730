"""Changes -> a unified diff that `git apply` takes, without time stamps."""

from collections.abc import Iterator
from difflib import unified_diff

from stackgen.io.tree import Change, Changes, State


def diff(changes: Changes) -> str:
    """What `apply` would do to the files, conflicts as if by force."""
    return "".join(
        line
        for item in changes.items
        if item.state not in (State.SAME, State.LEFT, State.GUARD)
        for line in _file(item)
    )


def _file(item: Change) -> Iterator[str]:
    old, new = f"a/{item.path}", f"b/{item.path}"
    yield f"diff --git {old} {new}\n"
    before_mode = None if item.before is None else _mode(executable=item.before.executable)
    after_mode = None if item.after is None else _mode(executable=item.after.executable)
    if before_mode is None:
        yield f"new file mode {after_mode}\n"
        old = "/dev/null"
    elif after_mode is None:
        yield f"deleted file mode {before_mode}\n"
        new = "/dev/null"
    elif before_mode != after_mode:
        yield f"old mode {before_mode}\nnew mode {after_mode}\n"
    before = "" if item.before is None else item.before.content.decode("utf-8", "replace")
    after = "" if item.after is None else item.after.text
    yield from unified_diff(_lines(before), _lines(after), old, new)


def _mode(*, executable: bool) -> str:
    return "100755" if executable else "100644"


def _lines(text: str) -> list[str]:
    # Not splitlines(), which takes several other characters for line ends.
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop()
    return [*lines, f"{last}\\ No newline at end of file\n"] if last != "\n" else lines
