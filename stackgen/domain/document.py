"""A file to be written: where, in which syntax, and a value tree; no text yet."""

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import Any, Literal


class Format(Enum):
    """The syntaxes that `emit` can write, one emitter each."""

    YAML = "yaml"
    JSON = "json"
    INI = "ini"
    NIX = "nix"
    UNIT = "unit"
    ENV = "env"
    SHELL = "shell"
    TEXT = "text"
    CADDYFILE = "caddyfile"


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A value tree with its path below the output folder.

    `body` is what the emitter of `format` takes: plain dicts, lists, strings, numbers and booleans for
    YAML (or a `YamlStream` of them), JSON and NIX (with `NixExpr` and `NixFunction`);
    `{section: {key: value}}` for INI and UNIT (with `UnitArgv`, `UnitWords` and `UnitRaw`, and lists that
    repeat a key); `{name: text}` for ENV; `Template` for TEXT and SHELL; a tuple of `Directive` for
    CADDYFILE. `header` lines become a comment at the top where the syntax has comments.
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
class Directive:
    """A line of a Caddyfile: its words, each taken literally, and the lines between its braces, if it has any.

    Words are text, or what becomes text when the addresses of services are known.
    """

    words: tuple[Any, ...]
    block: "tuple[Directive, ...] | None" = None


@dataclass(frozen=True, slots=True)
class YamlStream:
    """Several YAML documents in one file."""

    documents: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class NixExpr:
    """A Nix expression that goes into the output as it is, such as `config.networking.hostName`."""

    text: str


@dataclass(frozen=True, slots=True)
class NixFunction:
    """A file that is a function of an open attribute set, as every NixOS module is."""

    arguments: tuple[str, ...]
    body: Any


@dataclass(frozen=True, slots=True)
class UnitArgv:
    """A command of an `Exec*=` line: the program and its arguments, each taken literally."""

    words: tuple[str, ...]
    prefix: Literal["", "-", "+", "!"] = ""
    """`-` ignores a failure, `+` and `!` lift restrictions of the unit."""


@dataclass(frozen=True, slots=True)
class UnitWords:
    """A list on one line of a unit, such as paths or `NAME=value` of `Environment=`; each word literal."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnitRaw:
    """Text of a unit whose `%` specifiers are meant, such as `%d/token`."""

    text: str
