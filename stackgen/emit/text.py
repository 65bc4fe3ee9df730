"""A `Template` with its values -> prose and scripts. Holes without a value are errors, never empty text."""

from collections.abc import Iterable
from importlib.resources.abc import Traversable
from typing import Any

from stackgen import resources
from stackgen.domain.document import Template
from stackgen.emit import shell, tree
from stackgen.emit.errors import EmitError


def dump(body: Any, overrides: Traversable | None = None) -> str:
    """The text of a template, the user's own from `overrides` before the one that ships. Raises EmitError."""
    import jinja2

    if not isinstance(body, Template):
        raise EmitError("text comes from a template")
    try:
        text: str = _environment(overrides).get_template(body.name).render(dict(body.values))
    except jinja2.TemplateNotFound as missing:
        raise EmitError(f"there is no template named {missing.name!r}", (body.name,)) from None
    except jinja2.TemplateSyntaxError as wrong:
        raise EmitError(f"{wrong.name}, line {wrong.lineno}: {wrong.message}", (body.name,)) from None
    except (jinja2.TemplateError, EmitError, OSError, TypeError, ValueError) as wrong:
        raise EmitError(str(wrong), (body.name,)) from None
    if reason := tree.why_not_text(text):
        raise EmitError(reason, (body.name,))
    return text


def _environment(overrides: Traversable | None) -> Any:
    from jinja2 import FunctionLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Sandboxed, because overrides come with a stack, and planning somebody's stack must not run their code.
    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(lambda name: resources.template(name, overrides)),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shell_quote"] = _quote
    environment.filters["shell_join"] = _join
    return environment


def _quote(value: Any) -> str:
    if not isinstance(value, str | int):
        # A hole without a value says so itself as soon as it is shown.
        raise TypeError(f"{value} is not a word of a shell")
    return shell.quote(str(value))


def _join(values: Iterable[Any]) -> str:
    return " ".join(_quote(value) for value in values)
