"""`stackgen switch`: another service of its exclusive groups is up."""

from pathlib import Path
from typing import Annotated

import typer

from stackgen.cli.output import StackPath, load, note


def switch(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="the service that is to run")],
    stack: StackPath = Path(),
) -> None:
    """Put a service first in its exclusive groups in stack.yaml, so that it runs once that is rendered."""
    from stackgen.app import switching
    from stackgen.io import stackfile

    loaded = load(stack)
    made = switching.switch(loaded, service)
    if made.text == loaded.source.text:
        note(f"{service} is up already; {loaded.file} is left as it is")
        return
    stackfile.replace(loaded.file, loaded.source.text, made.text)
    down = f", in place of {', '.join(made.down)}" if made.down else ""
    note(f"{service} is the first of its groups in {loaded.file} now{down}")
    note(
        f"next: stackgen render {loaded.file} -o DIR, and commit; without GitOps, kubectl apply -k DIR/kubernetes"
    )
