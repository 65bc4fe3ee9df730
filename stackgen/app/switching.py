"""Changing over in exclusive groups: the service that is to run becomes the first of them in stack.yaml."""

from typing import NamedTuple

from stackgen.app.loading import Loaded, read_text
from stackgen.domain import turns
from stackgen.domain.diagnostic import did_you_mean
from stackgen.domain.failure import Failure

_BY_ORDER = "kubernetes"
"""The platform on which somebody must be up from the start; elsewhere nobody is until somebody starts it."""


class Switched(NamedTuple):
    """The new text of the stack, and who is up no longer."""

    text: str
    down: tuple[str, ...]


def switch(loaded: Loaded, service: str) -> Switched:
    """The stack with a service up, whatever it takes turns with. Raises Failure."""
    groups = loaded.stack.stack.exclusive
    members = sorted({name for group in groups for name in group})
    if service not in members:
        hint = did_you_mean(service, members) or (
            f"these do: {', '.join(members)}" if members else "exclusive: [[one, another]]"
        )
        raise Failure(f"`{service}` takes turns with nobody", hint)
    platform = loaded.stack.services[service].host.platform
    if platform != _BY_ORDER:
        raise Failure(
            f"on a host with `platform: {platform}` none of a group is up until somebody starts it, in any order",
            "the commands are at the head of what `stackgen render` writes for that host",
        )
    there = [name for name, one in loaded.stack.services.items() if one.host.platform == _BY_ORDER]
    before = turns.up(groups, there.__contains__)
    wanted = turns.in_favour_of(service, groups)
    after = turns.up(wanted, there.__contains__)
    if service not in after:
        message = f"`{service}` is not up even as the first of its groups, for others come before it"
        raise Failure(message, "write its groups before the others under `exclusive`")
    if service in before:
        return Switched(loaded.source.text, ())
    from stackgen.spec.reorder import reordered

    text = reordered(loaded.source, wanted)
    read_text(loaded.source.name, text)
    return Switched(text, tuple(sorted(before - after)))
