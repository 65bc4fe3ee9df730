"""A YAML text beside the place of everything in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stackgen.domain.diagnostic import YamlPath


@dataclass(frozen=True, slots=True)
class Position:
    """Line and column, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Positions:
    """Where each key and each value of a YAML text stands."""

    keys: Mapping[YamlPath, Position] = field(default_factory=dict)
    values: Mapping[YamlPath, Position] = field(default_factory=dict)

    def locate(self, path: YamlPath, *, at_key: bool = False) -> Position:
        """The position of a path, or of its nearest ancestor that exists in the text."""
        first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
        while path:
            if place := first.get(path) or second.get(path):
                return place
            # Something is missing below here: the key of the block that lacks it reads best.
            path, first, second = path[:-1], self.keys, self.values
        return self.values.get((), Position(1, 1))


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, its plain data, and the positions in it."""

    name: str
    text: str
    data: Any
    positions: Positions
