"""A file to be written: where, in which syntax, and a value tree; no text yet."""

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import Any


class Format(Enum):
    """The syntaxes that `emit` can write, one emitter each."""

    YAML = "yaml"
    JSON = "json"
    INI = "ini"
    NIX = "nix"
    UNIT = "unit"
    SHELL = "shell"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A value tree with its path below the output folder.

    `body` is what the emitter of `format` takes: plain dicts, lists, strings, numbers and booleans for
    YAML and JSON; `{section: {key: value}}` for INI; `Template` for TEXT and SHELL. `header` lines
    become a comment at the top where the syntax has comments.
    """

    path: PurePosixPath
    format: Format
    body: Any
    header: tuple[str, ...] = ()
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """Fixed text with few holes: the name of a file below `templates/` and what goes into its holes."""

    name: str
    values: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class NixExpr:
    """A Nix expression that goes into the output as it is, such as `config.networking.hostName`."""

    text: str
