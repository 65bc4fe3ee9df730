"""Ids and aliases: the names under which clients ask for a model."""

from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, YamlPath, error
from stackgen.domain.linked import LinkedService
from stackgen.emit.ini import why_not

LAST_WITHOUT_ALIASES: Final = 8156
"""Up to here the router overwrites `alias` and asks nobody (server-models.cpp; they work in b8672)."""


def _aliases(service: LinkedService) -> Iterator[tuple[str, YamlPath]]:
    for use in service.models:
        for index, alias in enumerate(use.options.alias):
            yield alias, (*use.path, "alias", index)


def clashes(service: LinkedService) -> Iterator[Diagnostic]:
    """One name for two models, and the router refuses the whole file (server-models.cpp, b8672 to b11434)."""
    taken: dict[str, YamlPath] = {use.id: use.path for use in service.models}
    for alias, path in _aliases(service):
        if alias in taken:
            yield error(
                "llama-server/alias-clash",
                path,
                f"the name `{alias}` is taken, so the router would refuse to start at all",
                "give each model names of its own",
                related=((taken[alias], "taken here"),),
            )
        taken.setdefault(alias, path)


def aliases_without_effect(service: LinkedService) -> Iterator[Diagnostic]:
    """Older routers know a model by its id alone."""
    if service.options.build <= LAST_WITHOUT_ALIASES:
        for alias, path in _aliases(service):
            yield error(
                "llama-server/alias-without-effect",
                path,
                f"the router of build b{service.options.build} knows no aliases: nobody would reach `{alias}`",
                f"use a build after b{LAST_WITHOUT_ALIASES}, or let clients ask for `{path[3]}`",
            )


def alias_spelling(service: LinkedService) -> Iterator[Diagnostic]:
    """Aliases stand in one line of the presets file, divided by commas, blanks around them dropped."""
    for alias, path in _aliases(service):
        reason = "a comma divides aliases" if "," in alias else why_not(alias)
        if reason:
            yield error("llama-server/alias-spelling", path, f"`{alias}` cannot be an alias: {reason}")
