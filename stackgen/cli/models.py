"""`stackgen models`: the names that the built-in catalog knows."""

import sys
from typing import Annotated

import typer

from stackgen.cli.output import fail, page


def models(
    word: Annotated[str, typer.Argument(metavar="WORD", help="only names with this in them")] = "",
) -> None:
    """List the models whose shape is built in, so that they can be planned before anything is locked."""
    from stackgen.facts import catalog
    from stackgen.report.models import show

    found = [shape for shape in catalog.shapes() if word.lower() in shape.name]
    if not found:
        fail(f"the built-in catalog knows no model like {word!r}", catalog.nearest(word))
    sys.stdout.write(show(found, page()))
