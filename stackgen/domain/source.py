"""A YAML text beside the place of everything in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stackgen.domain.diagnostic import Diagnostic, Position, YamlPath

WHOLE_FILE = Position(1, 1, 0)


@dataclass(frozen=True, slots=True)
class Positions:
    """Where each key and each value of a YAML text stands.

    A value that is a block of its own, or empty, stands at its key. What an alias brings in stands at the
    alias itself; what is inside it, and what `<<` merges, stands where it is written.
    """

    keys: Mapping[YamlPath, Position] = field(default_factory=dict)
    values: Mapping[YamlPath, Position] = field(default_factory=dict)

    def locate(self, path: YamlPath | Position, *, at_key: bool = False) -> Position:
        """The position of a path, or of its nearest ancestor that exists in the text."""
        if isinstance(path, Position):
            return path
        first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
        while path:
            if place := first.get(path) or second.get(path):
                return place
            # Something is missing below here: the key of the block that lacks it reads best.
            path, first, second = path[:-1], self.keys, self.values
        return WHOLE_FILE

    def of(self, diagnostic: Diagnostic) -> Position:
        """Where a finding points to."""
        return diagnostic.position or self.locate(diagnostic.path, at_key=diagnostic.at_key)


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, its plain data, and the positions in it; without the latter, it is not read yet."""

    name: str
    text: str
    data: Any = None
    positions: Positions = field(default_factory=Positions)
