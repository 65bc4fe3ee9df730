"""The engine's figures in a lock: asked for, kept as long as somebody asks the same, and told of when not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from stackgen.app.knowledge import known_models
from stackgen.app.questions import Question, questions
from stackgen.domain.diagnostic import Diagnostic, warning
from stackgen.domain.linked import LinkedStack
from stackgen.domain.lock import Lock
from stackgen.domain.witness import Statement


@dataclass(frozen=True, slots=True)
class Measured:
    """A lock with the engine's figures; which models of which services they are of, and what was found."""

    lock: Lock
    labels: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


def measure(stack: LinkedStack, lock: Lock, folder: Path | None) -> Measured:
    """Ask the engine about every locked model, with the programs on PATH or in a folder."""
    from stackgen.app.witness import ask

    heard, found = ask(stack, lock, _asked(stack, lock), folder)
    said: dict[str, dict[tuple[str, ...], Statement]] = {}
    for question, statement in heard:
        key = (str(len(statement.devices)), *statement.asked)
        said.setdefault(question.use.model.name, {})[key] = statement
    entries = {
        name: replace(entry, measured=tuple(s for _, s in sorted(said.get(name, {}).items())))
        for name, entry in lock.entries.items()
    }
    return Measured(Lock(entries=entries), tuple(q.label for q, _ in heard), found)


def still_asked(stack: LinkedStack, lock: Lock) -> Lock:
    """The lock without figures that answer no question of the stack."""
    from stackgen.memory.measured import answer

    if not has_figures(lock):
        return lock
    used: dict[str, list[Statement]] = {}
    for question in _asked(stack, lock):
        name = question.use.model.name
        statement = answer(question.process, lock.entries[name].measured)
        if statement is not None:
            used.setdefault(name, []).append(statement)
    return Lock(
        entries={
            name: replace(entry, measured=tuple(s for s in entry.measured if s in used.get(name, ())))
            for name, entry in lock.entries.items()
        }
    )


def stale(stack: LinkedStack, lock: Lock) -> Iterator[Diagnostic]:
    """A warning for each model that the engine was asked about otherwise than it is started now."""
    from stackgen.memory.measured import answer
    from stackgen.memory.question import arguments

    for question in _asked(stack, lock) if has_figures(lock) else ():
        name = question.use.model.name
        measured = lock.entries[name].measured
        if not measured or answer(question.process, measured):
            continue
        now = _pairs(arguments(question.process.params, question.process.free))
        was = min((_pairs(s.asked) for s in measured), key=lambda pairs: len(now.items() ^ pairs.items()))
        differing = [flag for flag in {**was, **now} if was.get(flag) != now.get(flag)]
        changes = [f"`{_written(flag, was)}` is now `{_written(flag, now)}`" for flag in differing]
        yield warning(
            "oracle/stale",
            question.use.path,
            f"`{question.label}`: the engine's figures in stack.lock are for other arguments, so they are not used: "
            f"{', '.join(changes) or 'for another number of GPUs'}",
            "run `stackgen lock --oracle` to ask anew, or `stackgen lock` to drop them",
        )


def has_figures(lock: Lock) -> bool:
    """Whether the engine was ever asked."""
    return any(entry.measured for entry in lock.entries.values())


def _asked(stack: LinkedStack, lock: Lock) -> list[Question]:
    """The questions about models that are locked as they are asked for; files on other machines' disks are not."""
    from stackgen.lock import freshness

    entries = freshness.usable(stack.models, lock).entries
    return [q for q in questions(stack, known_models(stack, lock)) if q.use.model.name in entries]


def _written(flag: str, pairs: dict[str, str]) -> str:
    return f"{flag} {pairs[flag]}".rstrip() if flag in pairs else f"no {flag}"


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    """Each flag with its value."""
    found: dict[str, str] = {}
    flag = ""
    for word in words:
        if word.startswith("-") and not word[1:2].isdigit():
            flag = word
            found[flag] = ""
        else:
            found[flag] = word
    return found
