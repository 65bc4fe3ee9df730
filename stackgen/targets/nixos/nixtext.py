"""Nix strings with something put in, which value trees alone cannot say."""

from stackgen.domain.document import NixExpr
from stackgen.emit.nix import string


def interpolated(*parts: str | NixExpr) -> NixExpr:
    """One string of literal text and of expressions, each as `${...}`."""
    return NixExpr(f'"{"".join(map(_part, parts))}"')


def forced(value: str | int) -> NixExpr:
    """A value that wins over the one that a module of NixOS sets."""
    return NixExpr(f"lib.mkForce {string(value) if isinstance(value, str) else value}")


def _part(part: str | NixExpr) -> str:
    if isinstance(part, NixExpr):
        return f"${{{part.text}}}"
    text = string(part)[1:-1]
    # `$${` would be a dollar and a brace instead of what is put in.
    return f"{text[:-1]}\\$" if text.endswith("$") else text
