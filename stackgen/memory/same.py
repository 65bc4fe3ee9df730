"""Facts as the key of a cache."""

from stackgen.domain.facts import ModelFacts


class Same:
    """Facts that are equal when they are the same object, which is quick to see."""

    __slots__ = ("facts",)

    def __init__(self, facts: ModelFacts) -> None:
        self.facts = facts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.facts is other.facts

    def __hash__(self) -> int:
        return id(self.facts)
