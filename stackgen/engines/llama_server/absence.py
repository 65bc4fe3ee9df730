"""Words for an option that a build of llama-server does not know."""

from collections.abc import Callable

from stackgen.domain.wording import one_of, quoted
from stackgen.engines.llama_server import table
from stackgen.engines.llama_server.table import Option, Presence, Spelling


def missing(option: Option, spelling: Spelling, build: int) -> Presence | None:
    """Why a build does not know an option in this spelling, or None when it does, or may."""
    presence = option.presence(build)
    if presence in (Presence.NOT_YET, Presence.REMOVED):
        return presence
    before = max((b for b in table.builds() if b < spelling.since), default=0)
    return Presence.NOT_YET if spelling.since > option.since and build <= before else None


def sentence(option: Option, spelling: Spelling, written: str, build: int) -> str:
    """That it is missing, and which builds know it."""
    if missing(option, spelling, build) is Presence.REMOVED:
        gone = min(b for b in table.builds() if option.until is not None and b > option.until)
        return f"build b{build} has no `{written}`: it was removed by b{gone} (last seen in b{option.until})"
    return f"build b{build} has no `{written}`: it was first seen in b{spelling.since}"


def hint(
    option: Option, build: int, write: Callable[[str, str | None], str], *, on: bool = True
) -> str | None:
    """What to write for this build instead, with `write` to spell (canonical name, value)."""
    if option.presence(build) is Presence.YES:
        return f"write `{write(option.key(build), None)}`"
    if pairs := option.instead(on=on):
        return f"write {one_of(quoted(write(name, value) for name, value in pairs))}"
    return "use a newer image" if option.presence(build) is Presence.NOT_YET else None
