"""Services that take turns: which of them run where somebody must, and nobody decides when they start."""

from collections.abc import Callable, Sequence


def up(groups: Sequence[Sequence[str]], here: Callable[[str], bool] = lambda _: True) -> frozenset[str]:
    """The first of each exclusive group, as far as the groups before it allow; `here` = who counts at all."""
    chosen: list[str] = []
    for members in groups:
        found = [name for name in members if here(name)]
        if not any(name in chosen for name in found):
            free = [name for name in found if not any(rivals(groups, name, other) for other in chosen)]
            chosen += free[:1]
    return frozenset(chosen)


def rivals(groups: Sequence[Sequence[str]], one: str, other: str) -> bool:
    """Whether at most one of two services may be up."""
    return any(one in members and other in members for members in groups)


def in_favour_of(service: str, groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """The groups in an order by which it is up: it is the first of its own, and its rivals are of no other."""
    return [_put_first(_preferred(service, members, groups), members) for members in groups]


def _preferred(service: str, members: Sequence[str], groups: Sequence[Sequence[str]]) -> str:
    if service in members:
        return service
    return next((name for name in members if not rivals(groups, service, name)), members[0])


def _put_first(name: str, members: Sequence[str]) -> list[str]:
    """The two change places, so that no more than two words of a text do."""
    found = list(members)
    at = found.index(name)
    found[0], found[at] = found[at], found[0]
    return found
