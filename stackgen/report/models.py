"""The built-in catalog as a table."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stackgen.report.page import Page, columns

if TYPE_CHECKING:
    from stackgen.facts.shapes import Shape


def show(shapes: Iterable["Shape"], page: Page) -> str:
    """A row per model: its name, how large it is, and the context that it was trained on."""
    rows = [["model", "parameters", "experts", "context", "architecture"]]
    for shape in sorted(shapes, key=lambda s: s.name):
        experts = f"{shape.n_expert_used} of {shape.n_expert}" if shape.n_expert else "-"
        rows.append([shape.name, shape.parameters or "-", experts, str(shape.n_ctx_train), shape.arch])
    head, *body = (line[: page.width] for line in columns(rows, right=(1, 2, 3)))
    return "".join(f"{line}\n" for line in (page.style(head, "dim"), *body))
