"""What a render did to a folder, or would do, in a few lines."""

from stackgen.io.tree import Change, Changes, State

_SIGNS = {
    State.ADD: "+",
    State.GONE: "+",
    State.CHANGE: "~",
    State.REMOVE: "-",
    State.CONFLICT: "!",
    State.LEFT: "?",
    State.GUARD: "?",
}
_REMARKS = {
    State.GONE: " (was deleted by hand)",
    State.CONFLICT: " (changed by hand, or not ours: kept; --force overwrites it)",
    State.LEFT: " (no longer rendered, but changed by hand: kept)",
    State.GUARD: " (no longer rendered, but it keeps secrets out of git: kept; remove both when you are done)",
}


def show(changes: Changes, folder: str, *, done: bool, force: bool = False) -> str:
    """A line per file that is not as it should be, and a summary."""
    rows = [_row(item, force=force) for item in changes.items if item.state is not State.SAME]
    same = len(changes.of(State.SAME))
    if not rows:
        return f"{folder} is up to date: {same} files\n"
    verb = "wrote to" if done else "would change in"
    counts = f"{len(rows)} of {same + len(rows)} files"
    return "\n".join((*rows, f"{verb} {folder}: {counts}")) + "\n"


def _row(item: Change, *, force: bool) -> str:
    remark = "" if force and item.state is State.CONFLICT else _REMARKS.get(item.state, "")
    return f"  {_SIGNS[item.state]} {item.path}{remark}"
