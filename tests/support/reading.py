"""From the text of a stack to what is found in it, as the program does it."""

from collections.abc import Sequence

from stackgen.data import gpus
from stackgen.domain.contracts import Engines, Targets
from stackgen.domain.diagnostic import Diagnostic, StackError
from stackgen.domain.linked import LinkedStack
from stackgen.domain.source import Source
from stackgen.spec.allow import apply
from stackgen.spec.link import link
from stackgen.spec.parse import parse
from stackgen.spec.source import read
from tests.support.fake_engine import ENGINES, PLATFORMS


def linked(
    text: str, *, engines: Engines = ENGINES, platforms: Targets = PLATFORMS, name: str = "stack.yaml"
) -> LinkedStack:
    """The linked stack of a text. Raises StackError."""
    stack = parse(read(name, text))
    return link(stack, engines=engines, platforms=platforms, gpu=gpus.gpu, gpu_names=gpus.names)


def findings(
    text: str, *, engines: Engines = ENGINES, platforms: Targets = PLATFORMS, name: str = "stack.yaml"
) -> tuple[Source, Sequence[Diagnostic]]:
    """Everything found in a text, and its source as far as it could be read."""
    source = Source(name, text)
    try:
        source = read(name, text)
        stack = linked(text, engines=engines, platforms=platforms, name=name)
    except StackError as exc:
        return source, exc.diagnostics
    return source, apply(stack.notes, stack.stack.allow)
