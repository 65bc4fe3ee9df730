"""Directives -> a Caddyfile, as `caddy fmt` would lay it out.

Its lexer replaces `{$NAME}` before anything else, and braces mean blocks and placeholders inside quotes as well,
so words with braces are refused.
"""

import re
from typing import Any, Final

from stackgen.domain.document import Directive
from stackgen.emit import tree
from stackgen.emit.errors import EmitError, TreePath

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+=*-]+")
_EATEN: Final = re.compile(r'\\("|\Z)')
"""A backslash that would escape the quote after it, which nothing undoes."""


def dump(body: Any) -> str:
    """The blocks in their order. Raises EmitError."""
    if not isinstance(body, tuple) or not all(isinstance(part, Directive) for part in body):
        raise EmitError("a Caddyfile is made of directives")
    return "\n".join(_lines(part, (index,), 0) for index, part in enumerate(body))


def why_not(word: str) -> str | None:
    """Why Caddy would read another word than this text, or None."""
    if "{" in word or "}" in word:
        return "braces mean blocks and placeholders, which nothing can escape"
    if "\0" in word:
        return "a null character is no text"
    if "`" in word and _EATEN.search(word):
        return "a word cannot hold both a backtick and a backslash before a quote"
    return tree.why_not_text(word)


def _lines(directive: Directive, path: TreePath, depth: int) -> str:
    if depth > tree.MAX_DEPTH:
        raise EmitError(f"nested more than {tree.MAX_DEPTH} levels deep", path[:4])
    words = [_word(word, (*path, index)) for index, word in enumerate(directive.words)]
    if not words and (directive.block is None or depth or path != (0,)):
        raise EmitError("only the first block of all has no words", path)
    if words and (depth == 0 or directive.words[0] == "import"):
        _check_start(directive, path)
    indent = "\t" * depth
    if directive.block is None:
        return f"{indent}{' '.join(words)}\n"
    inside = "".join(_lines(part, (*path, index), depth + 1) for index, part in enumerate(directive.block))
    return f"{indent}{' '.join([*words, '{'])}\n{inside}{indent}}}\n"


def _check_start(directive: Directive, path: TreePath) -> None:
    """A line that begins with `import` takes in a file, quoted or not; a block's name in brackets makes a snippet,
    and a comma goes on to the next address."""
    if directive.words[0] == "import":
        raise EmitError("`import` reads another file", path)
    if directive.block is None:
        raise EmitError("what stands at the top is a block", path)
    if any("," in word or word.startswith(("(", "&(")) or not word for word in directive.words):
        raise EmitError("this is no address of a site", path)


def _word(word: Any, path: TreePath) -> str:
    if type(word) is not str:
        raise EmitError(f"a word is text, not {type(word).__name__}", path)
    if reason := why_not(word):
        raise EmitError(reason, path)
    if _PLAIN.fullmatch(word):
        return word
    if "`" not in word:
        return f"`{word}`"
    return '"' + word.replace('"', '\\"') + '"'
