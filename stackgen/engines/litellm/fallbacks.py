"""What is wrong with fallbacks that name models which there are."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.engines.litellm import routes

if TYPE_CHECKING:
    from stackgen.engines.litellm.case import Case
    from stackgen.engines.litellm.routes import Route

_TOO_LONG: Final = "context_window_fallbacks"
_OPTIONS: Final = ("fallbacks", _TOO_LONG)


def _pairs(this: "Case", option: str) -> Iterator[tuple[str, int, str]]:
    """(name, index, target) of fallbacks whose names exist; an alias is what it stands for."""
    given: Mapping[str, list[str]] = getattr(this.options, option)
    for name, targets in given.items():
        for index, written in enumerate(targets):
            target = this.aliases.get(written, written)
            if name in this.groups and target in this.groups:
                yield name, index, target


def to_itself(this: "Case") -> Iterator[Diagnostic]:
    """A model that stands in for itself."""
    for option in _OPTIONS:
        for name, index, target in _pairs(this, option):
            if name == target:
                message = f"`{name}` falls back to itself"
                yield error("litellm/fallback-to-itself", this.option(option, name, index), message)


def other_task(this: "Case") -> Iterator[Diagnostic]:
    """A model for something else, which refuses every request."""
    for option in _OPTIONS:
        for name, index, target in _pairs(this, option):
            is_for, other = _task(this.groups[name]), _task(this.groups[target])
            if is_for != other:
                yield error(
                    "litellm/fallback-task",
                    this.option(option, name, index),
                    f"`{name}` is for {is_for}, and `{target}` is for {other}",
                )


def _task(group: "list[Route]") -> str:
    return group[0].model.task.value


def context(this: "Case") -> Iterator[Diagnostic]:
    """A model that takes less."""
    for option in _OPTIONS:
        for name, index, target in _pairs(this, option):
            own, other = routes.context(this.groups[name]), routes.context(this.groups[target])
            if name == target or own is None or other is None:
                continue
            path = this.option(option, name, index)
            if option == _TOO_LONG and other <= own:
                yield error(
                    "litellm/fallback-context",
                    path,
                    f"what is too long for `{name}` ({own} tokens) is too long for `{target}` ({other})",
                    "name a model with a longer context",
                )
            elif option != _TOO_LONG and other < own:
                yield warning(
                    "litellm/fallback-context",
                    path,
                    f"`{target}` takes {other} tokens and `{name}` {own}: a longer conversation finds no "
                    "fallback",
                    f"give `{target}` a longer context, or accept it under `allow`",
                )


def cycle(this: "Case") -> Iterator[Diagnostic]:
    """Models that stand in for each other in a ring, each of which is tried again."""
    for option in _OPTIONS:
        follows: dict[str, list[str]] = {}
        for name, _, target in _pairs(this, option):
            if name != target:
                follows.setdefault(name, []).append(target)
        for name, index, target in _pairs(this, option):
            if name != target and _leads(follows, target, name):
                yield warning(
                    "litellm/fallback-cycle",
                    this.option(option, name, index),
                    f"`{name}` falls back to `{target}`, which leads back to `{name}`: when both are down, "
                    "each is asked again",
                    "let the last one have no fallback",
                )
                break


def _leads(follows: Mapping[str, list[str]], start: str, end: str) -> bool:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name == end:
            return True
        if name not in seen:
            seen.add(name)
            waiting += follows.get(name, [])
    return False


def down_together(this: "Case") -> Iterator[Diagnostic]:
    """Fallbacks that run on nothing but what they are to stand in for."""
    for name in this.options.fallbacks:
        own = {route.service for route in this.groups.get(name, ())}
        targets = [target for first, _, target in _pairs(this, "fallbacks") if first == name]
        services = {route.service for target in targets for route in this.groups[target]}
        if targets and len(own) == 1 and services == own and targets != [name]:
            yield warning(
                "litellm/fallback-together",
                this.option("fallbacks", name),
                f"all of them run on `{own.pop()}`, as `{name}` does: when it is down, so are they",
                "add a model of another service",
            )


RULES: Final = (to_itself, other_task, context, cycle, down_together)
