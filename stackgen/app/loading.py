"""A stack file and its lock, read, parsed and linked."""

from pathlib import Path
from typing import NamedTuple

from stackgen import registry
from stackgen.app import locking
from stackgen.domain.diagnostic import Diagnostic, Severity, StackError
from stackgen.domain.linked import LinkedStack
from stackgen.domain.lock import Lock
from stackgen.domain.source import Source
from stackgen.domain.stack import Stack


class Loaded(NamedTuple):
    """A stack file that parses and links."""

    source: Source
    stack: LinkedStack
    file: Path
    lock: Lock = Lock()
    """What stands beside the stack file, fresh or not."""


class WrongStackError(Exception):
    """The stack file is wrong; carries its source, so that a report can show the places."""

    def __init__(self, source: Source, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(f"{source.name}: {len(diagnostics)} findings")
        self.source = source
        self.diagnostics = diagnostics


def load(path: Path) -> Loaded:
    """Read, parse and link a stack file, or the one in a folder, and read its lock.

    Raises InputError, LockError and WrongStackError.
    """
    from stackgen.io import stackfile

    file = stackfile.find(path)
    source, stack = read_text(str(file), stackfile.read(file))
    return Loaded(source=source, stack=stack, file=file, lock=locking.read(file))


def read_text(name: str, text: str) -> tuple[Source, LinkedStack]:
    """Parse and link a text. Raises WrongStackError."""
    from stackgen.spec.parse import parse
    from stackgen.spec.source import read

    source = Source(name=name, text=text)
    try:
        source = read(name, text)
        return source, link(parse(source))
    except StackError as exc:
        raise WrongStackError(source, exc.diagnostics) from exc


def link(stack: Stack) -> LinkedStack:
    """The stack with the engines, platforms and cards that there are. Raises StackError."""
    from stackgen.data import gpus
    from stackgen.spec.link import link as resolve

    return resolve(
        stack, engines=registry.engines(), platforms=registry.platforms(), gpu=gpus.gpu, gpu_names=gpus.names
    )


def unlocked(loaded: Loaded) -> tuple[Diagnostic, ...]:
    """Models that are not locked as they are asked for."""
    from stackgen.lock import freshness

    return tuple(
        d for d in freshness.findings(loaded.stack.models, loaded.lock) if d.severity is Severity.ERROR
    )
