"""Environment variables of services: what looks as if somebody would put a value into it, and nobody does."""

import re
from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, YamlPath, warning
from stackgen.domain.secrets import is_secret_name
from stackgen.domain.stack import Service

INTERPOLATION: Final = "link/interpolation"
_VARIABLE: Final = r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::?[-?+=][^}]*)?\}|^\$[A-Za-z_][A-Za-z0-9_]*$|\{\{.*\}\}"


def check(service: Service, path: YamlPath) -> Iterator[Diagnostic]:
    """Compose puts variables into its files; a stack is rendered for several platforms and has none."""
    for name, value in service.env.items():
        if isinstance(value, str) and (found := re.search(_VARIABLE, value)):
            yield warning(
                INTERPOLATION,
                (*path, "env", name),
                f"nothing puts a value in the place of `{found[0]}`: `{name}` is that text, letter by letter",
                _instead(name, found[0], str(path[-1])),
            )


def _instead(name: str, written: str, service: str) -> str:
    if is_secret_name(name):
        return f"write {name}: {{secret: {{name: {service}, key: {name.lower().replace('_', '-')}}}}}"
    default = re.fullmatch(r"\$\{\w+:?-(.+)\}", written)
    return f"write {default[1] if default else 'the value'} in its place"
