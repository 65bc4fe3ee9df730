"""`allow`: findings that the owner of a stack accepts, with a reason, become notes."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from stackgen.domain.diagnostic import (
    Diagnostic,
    Severity,
    YamlPath,
    did_you_mean,
    dotted,
    error,
    nearest,
    warning,
)
from stackgen.domain.stack import Allow, Stack
from stackgen.spec.conflicts import UNUSED
from stackgen.spec.environment import INTERPOLATION
from stackgen.spec.names import unknown
from stackgen.spec.volumes import SNAPSHOT

NEVER: Final = frozenset({"spec", "link", "allow"})
"""Areas of findings that must be put right, because there is no stack to plan before that is done."""
ONLY_WARNINGS: Final = UNUSED | {"link/unpinned-image", "link/nothing-shared", INTERPOLATION, SNAPSHOT}
"""Kinds in these areas that are mere warnings."""


def check(stack: Stack) -> Iterator[Diagnostic]:
    """What is wrong with the entries themselves."""
    for index, allow in enumerate(stack.allow):
        path: YamlPath = ("allow", index)
        area, slash, rule = allow.kind.partition("/")
        if not (slash and re.fullmatch(r"[a-z0-9-]+", area) and re.fullmatch(r"[a-z0-9-]+", rule)):
            message = f"`{allow.kind}` is no kind of finding"
            yield error(
                "link/allow",
                (*path, "kind"),
                message,
                "such as plan/over-budget: what stands in [brackets] after a finding",
            )
        elif area in NEVER and allow.kind not in ONLY_WARNINGS:
            message = f"`{allow.kind}` cannot be allowed: it must be put right"
            yield error("link/allow", (*path, "kind"), message)
        if allow.at is not None:
            yield from _check_place(stack, allow.at, (*path, "at"))


def _check_place(stack: Stack, at: str, path: YamlPath) -> Iterator[Diagnostic]:
    section, _, rest = at.partition(".")
    names = getattr(stack, section, None) if section in Stack.model_fields else None
    if names is None:
        yield unknown("link/allow", "section", path, section, Stack.model_fields, "such as services.llama")
    elif isinstance(names, dict) and rest:
        name = next((n for n in names if rest == n or rest.startswith((f"{n}.", f"{n}["))), None)
        if name is None:
            yield unknown("link/allow", section.removesuffix("s"), path, rest.partition(".")[0], names)


def apply(
    diagnostics: Iterable[Diagnostic], allowed: Sequence[Allow], *, late: Collection[str] = ()
) -> tuple[Diagnostic, ...]:
    """The findings with the accepted ones as notes, and a warning for each entry that matches nothing.

    Entries of areas in `late` are left alone: what they are about is found by a later stage, if it runs.
    """
    found = tuple(diagnostics)
    used = {index for d in found if (index := _match(d, allowed)) is not None}
    unused = (
        _unused(index, entry, found)
        for index, entry in enumerate(allowed)
        if index not in used and entry.kind.partition("/")[0] not in late
    )
    return (*noted(found, allowed), *unused)


def noted(diagnostics: Iterable[Diagnostic], allowed: Sequence[Allow]) -> tuple[Diagnostic, ...]:
    """The findings with the accepted ones as notes."""
    return tuple(_noted(d, allowed) for d in diagnostics)


def _match(diagnostic: Diagnostic, allowed: Sequence[Allow]) -> int | None:
    must = diagnostic.severity is Severity.ERROR and diagnostic.kind.partition("/")[0] in NEVER
    if must or diagnostic.severity is Severity.NOTE:
        return None
    # Names have dots in them: what begins alike is not below it.
    places = {None, *(dotted(diagnostic.path[:end]) for end in range(1, len(diagnostic.path) + 1))}
    return next(
        (i for i, allow in enumerate(allowed) if allow.kind == diagnostic.kind and allow.at in places), None
    )


def _noted(diagnostic: Diagnostic, allowed: Sequence[Allow]) -> Diagnostic:
    index = _match(diagnostic, allowed)
    if index is None:
        return diagnostic
    message = f"{diagnostic.message} (allowed: {allowed[index].reason})"
    related = (*diagnostic.related, (("allow", index), "allowed here"))
    return replace(diagnostic, severity=Severity.NOTE, message=message, hint=None, related=related)


def _unused(index: int, allow: Allow, found: Sequence[Diagnostic]) -> Diagnostic:
    where = f" at `{allow.at}`" if allow.at else ""
    message = f"there is no finding `{allow.kind}`{where} to allow"
    kinds = {d.kind for d in found}
    hint = "remove the entry"
    if allow.kind in kinds:
        places = sorted({dotted(d.path) for d in found if d.kind == allow.kind})
        hint = did_you_mean(allow.at or "", places) or f"it is at {places[0]}"
    elif near := nearest(allow.kind, kinds):
        hint = f"did you mean `{near}`?"
    return warning("allow/unused", ("allow", index), message, hint)
