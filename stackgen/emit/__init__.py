"""Documents -> text: one emitter per syntax does all of its escaping."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stackgen.emit.errors import EmitError, TreePath

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from stackgen.domain.document import Document

__all__ = ["EmitError", "TreePath", "to_text"]

_NOT_IN_COMMENT: Final = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"


def to_text(document: Document, overrides: Traversable | None = None) -> str:
    """The text of a document; `overrides` is the user's own folder of templates.

    Raises EmitError when the syntax cannot express a value.
    """
    from stackgen.domain.document import Format

    text = _body(document, overrides)
    comment = _comment(document)
    if document.format is Format.SHELL and text.startswith("#!"):
        shebang, _, rest = text.partition("\n")
        return f"{shebang}\n{comment}{rest}"
    return comment + text


def _body(document: Document, overrides: Traversable | None) -> str:
    # Each emitter is imported when it is needed: most runs use two or three, and Jinja is slow to import.
    # So are documents: a plan asks emitters only whether they could write a value.
    from stackgen.domain.document import Format

    match document.format:
        case Format.YAML:
            from stackgen.emit import yaml

            return yaml.dump(document.body)
        case Format.JSON:
            from stackgen.emit import json

            return json.dump(document.body)
        case Format.INI:
            from stackgen.emit import ini

            return ini.dump(document.body)
        case Format.NIX:
            from stackgen.emit import nix

            return nix.dump(document.body)
        case Format.UNIT:
            from stackgen.emit import unit

            return unit.dump(document.body)
        case Format.ENV:
            from stackgen.emit import env

            return env.dump(document.body)
        case Format.CADDYFILE:
            from stackgen.emit import caddyfile

            return caddyfile.dump(document.body)
        case Format.SHELL | Format.TEXT:
            from stackgen.emit import text

            return text.dump(document.body, overrides)


def _comment(document: Document) -> str:
    from stackgen.domain.document import Format

    if document.format in (Format.JSON, Format.TEXT):
        return ""
    for index, line in enumerate(document.header):
        if re.search(_NOT_IN_COMMENT, line):
            raise EmitError("a comment is one line of printable text", ("header", index))
    return "".join(f"# {line}".rstrip() + "\n" for line in document.header)
