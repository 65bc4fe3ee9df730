"""The metadata of one architecture: integers by key, or by key and layer."""

from collections.abc import Mapping
from math import isfinite

from stackgen.domain.failure import Failure
from stackgen.domain.header import MetaValue


class FactsError(Failure):
    """The header lacks something that no rule can replace, or uses a storage type that is not known."""


class Keys:
    """The metadata of one architecture, without its prefix; per-layer lists are read by layer."""

    def __init__(self, metadata: Mapping[str, MetaValue], architecture: str) -> None:
        prefix = architecture + "."
        self.values = {k.removeprefix(prefix): v for k, v in metadata.items() if k.startswith(prefix)}

    def number(self, key: str, default: int = 0) -> int:
        """An integer; the first item of a list."""
        value = self.values.get(key, default)
        if isinstance(value, tuple):
            value = value[0] if value else default
        return _integer(value, default)

    def at(self, key: str, index: int, default: int = 0) -> int:
        """An integer of one layer: a list's item, or the same for all layers."""
        value = self.values.get(key, default)
        if isinstance(value, tuple):
            value = value[index] if index < len(value) else default
        return _integer(value, default)

    def require(self, key: str) -> int:
        """An integer that must be there. Raises FactsError."""
        if key not in self.values:
            raise FactsError(f"the file has no `{key}`: it is not a language model, or it is damaged")
        return self.number(key)


def _integer(value: MetaValue, default: int) -> int:
    """A number as an integer; for what is none, infinity included, the default."""
    return int(value) if isinstance(value, int | float) and isfinite(value) else default
