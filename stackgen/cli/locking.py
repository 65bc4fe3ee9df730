"""`stackgen lock` and `stackgen download`: the only commands that use the network."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen.cli.estimate import LlamaBin
from stackgen.cli.output import EXIT_OUT_OF_DATE, EXIT_WRONG, console, fail, load, note, print_diagnostics

if TYPE_CHECKING:
    from stackgen.app import Loaded
    from stackgen.app.locking import Relock
    from stackgen.app.resolving import Progress
    from stackgen.domain.lock import Lock, Pin

StackAndModels = Annotated[
    list[str] | None,
    typer.Argument(metavar="STACK MODEL", help="a stack file or folder, then names of models"),
]


def lock(
    words: StackAndModels = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="write nothing and ask nobody; exit 3 when the lock is out of date"),
    ] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="move the pins of the models named, or of all, to what is new")
    ] = False,
    oracle: Annotated[
        bool,
        typer.Option(
            "--oracle", help="ask your own llama-fit-params about every model, and plan with its figures"
        ),
    ] = False,
    llama_bin: LlamaBin = None,
) -> None:
    """Pin every model in stack.lock: commit, files, hashes, and the facts that planning needs."""
    loaded, models = _load(words)
    if models and not upgrade:
        fail(f"`{models[0]}` would be locked with all others", "to move its pin alone, add --upgrade")
    if check:
        raise typer.Exit(_check(loaded))
    old = loaded.lock
    made = _relock(loaded, models if upgrade else None)
    print_diagnostics(made.diagnostics, loaded.source)
    if made.failed:
        note(_untouched(old, made.reached))
        raise typer.Exit(EXIT_WRONG)
    from stackgen.app import locking, measuring

    new = measuring.still_asked(loaded.stack, made.lock)
    if oracle:
        new = _measured(loaded, new, llama_bin)
    locking.write(loaded.file, new)
    note("\n".join(_changes(old, new)))


def _measured(loaded: "Loaded", lock: "Lock", folder: Path | None) -> "Lock":
    """The lock with the engine's figures; ends the command when there is a model without."""
    from stackgen.app.measuring import measure
    from stackgen.domain.diagnostic import has_errors

    found = measure(loaded.stack, lock, folder)
    print_diagnostics(found.diagnostics, loaded.source)
    if has_errors(found.diagnostics):
        note(_untouched(loaded.lock, ()))
        raise typer.Exit(EXIT_WRONG)
    note(
        f"measured: {', '.join(found.labels) or 'nothing, for no service runs a locked model with llama.cpp'}"
    )
    return found.lock


def download(
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="where the volume's files go on this machine")
    ],
    words: StackAndModels = None,
    host: Annotated[
        str | None, typer.Option("--host", help="only what the services of this host need")
    ] = None,
    volume: Annotated[str | None, typer.Option("--volume", help="only what goes onto this volume")] = None,
) -> None:
    """Download locked models to this machine, each file at its pinned commit and proven by its hash."""
    from stackgen import app
    from stackgen.io.downloading import fetch

    loaded, models = _load(words)
    if host is not None and host not in loaded.stack.hosts:
        fail(f"the stack has no host {host!r}", f"it has: {', '.join(loaded.stack.hosts)}")
    if volume is not None and volume not in loaded.stack.volumes:
        fail(f"the stack has no volume {volume!r}", f"it has: {', '.join(loaded.stack.volumes) or 'none'}")
    everything = app.plan(loaded.stack, loaded.lock).downloads
    chosen = [
        d
        for d in everything
        if (not models or d.model in models) and host in (None, *d.hosts) and volume in (None, d.volume)
    ]
    if volumes := sorted({d.volume for d in chosen})[1:]:
        fail(f"these models go onto {len(volumes) + 1} volumes", "name one with --volume")
    if left := sorted(set(models) - {d.model for d in chosen}):
        fail(f"`{left[0]}` is not locked, or no service stores it there", "run `stackgen lock` first")
    if not chosen:
        fail("nothing that is locked is to be downloaded", "run `stackgen lock` first")
    for found in chosen:
        fetch(found, to, note)


def _check(loaded: "Loaded") -> int:
    from stackgen.app.measuring import stale
    from stackgen.lock.freshness import compare, findings

    figures = tuple(stale(loaded.stack, loaded.lock))
    print_diagnostics((*findings(loaded.stack.models, loaded.lock), *figures), loaded.source)
    if compare(loaded.stack.models, loaded.lock).stale or figures:
        return EXIT_OUT_OF_DATE
    note(f"all {len(loaded.lock.entries)} models are locked as they are asked for")
    return 0


def _relock(loaded: "Loaded", upgrade: Sequence[str] | None) -> "Relock":
    from stackgen.app import locking

    with _bar() as progress:
        try:
            return locking.relock(loaded.stack, loaded.lock, upgrade=upgrade, progress=progress)
        except KeyboardInterrupt:
            note(_untouched(loaded.lock, tuple(progress.reached)))
            raise


@contextmanager
def _bar() -> "Iterator[Progress]":
    """A progress bar on a terminal, and silence elsewhere."""
    from stackgen.app.resolving import Progress

    terminal = console(stderr=True)
    if not terminal.is_terminal:
        yield Progress()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("")
        yield Progress(
            tell=lambda p: bar.update(task, total=p.total, completed=len(p.reached), description=p.step)
        )


def _untouched(old: "Lock", reached: Sequence[str]) -> str:
    kept = "stack.lock is as it was" if old.entries else "no stack.lock was written"
    got = f"; resolved, and read from the cache next time: {', '.join(reached)}" if reached else ""
    return kept + got


def _changes(old: "Lock", new: "Lock") -> Iterator[str]:
    """What a lock has otherwise than the one before."""
    for name, entry in sorted(new.entries.items()):
        before, source = old.entries.get(name), entry.request.source[1]
        if before is None or before.request != entry.request:
            yield f"locked {name}: {f'{entry.pin.repo} at {_short(entry.pin)}' if entry.pin.repo else source}"
        elif before.pin.commit != entry.pin.commit:
            yield f"moved {name}: {entry.pin.repo} from {_short(before.pin)} to {_short(entry.pin)}"
        elif before.pin != entry.pin:
            yield f"moved {name}: {source} has other contents"
        if before and before.measured and not entry.measured:
            yield f"dropped the engine's figures for {name}: its files or its arguments are others now"
    for name in sorted(old.entries.keys() - new.entries.keys()):
        yield f"dropped {name}"
    yield f"stack.lock: {len(new.entries)} models, {_size(sum(e.pin.size for e in new.entries.values()))}"


def _short(pin: "Pin") -> str:
    return (pin.commit or "")[:12]


def _size(size: int) -> str:
    from stackgen.domain.units import show_size

    return show_size(size)


def _load(words: list[str] | None) -> tuple["Loaded", tuple[str, ...]]:
    """The stack and the models that a command line names; ends the command when they are wrong."""
    stack, models = _split(words or [])
    loaded = load(stack)
    for name in models:
        if name not in loaded.stack.models:
            fail(f"the stack has no model {name!r}", f"it has: {', '.join(loaded.stack.models) or 'none'}")
    return loaded, models


def _split(words: Sequence[str]) -> tuple[Path, tuple[str, ...]]:
    """The first word names the stack if there is one by that name, or if it can be nothing else."""
    if not words:
        return Path(), ()
    first = Path(words[0])
    stack = first.is_file() or (first / "stack.yaml").is_file()
    if stack or "/" in words[0] or first.suffix in {".yaml", ".yml"} or words[0] in {".", ".."}:
        return first, tuple(words[1:])
    return Path(), tuple(words)
