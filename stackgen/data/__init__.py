"""Tables that age, each row with its source. This module is the only reader of package data here."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def load_toml(name: str) -> dict[str, Any]:
    """The content of the table `name`.toml; do not change it, since all callers share it."""
    return tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text("utf-8"))
