"""What the names in a stack can refer to, and how to say that one refers to nothing."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from stackgen.domain.contracts import Engines, Targets
from stackgen.domain.diagnostic import Diagnostic, YamlPath, did_you_mean, error
from stackgen.domain.linked import Reference
from stackgen.domain.stack import Stack

if TYPE_CHECKING:
    from stackgen.domain.gpu import GpuModel

_LONGEST_LIST: Final = 12


class Scope(NamedTuple):
    """A stack, and what exists outside it. `gpu` and `gpu_names` are the built-in table of cards."""

    stack: Stack
    engines: Engines
    platforms: Targets
    gpu: "Callable[[str], GpuModel | None]"
    gpu_names: Callable[[], Iterable[str]]


def unknown(
    kind: str, what: str, path: YamlPath, name: str, known: Iterable[str], hint: str | None = None
) -> Diagnostic:
    """There is no `what` of this name; the hint is the nearest one, else `hint`, else what there is."""
    names = list(known)
    help_ = did_you_mean(name, names) or hint or _listed(what, names)
    return error(kind, path, f"there is no {what} `{name}`", help_)


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return f"nothing stands under `{what}s`"
    more = ", …" if len(names) > _LONGEST_LIST else ""
    return (
        f"there is only `{names[0]}`"
        if len(names) == 1
        else f"there are: {', '.join(names[:_LONGEST_LIST])}{more}"
    )


def reference(text: str) -> Reference:
    """`service` or `service/model`."""
    service, _, use = text.partition("/")
    return Reference(service, use or None)


def unresolved(stack: Stack, text: str, path: YamlPath) -> Diagnostic | None:
    """Why `service` or `service/model` refers to nothing, or None when it refers to something."""
    wanted = reference(text)
    service = stack.services.get(wanted.service)
    if service is None:
        return unknown("link/unknown-service", "service", path, wanted.service, stack.services)
    if wanted.use is None or wanted.use in service.models:
        return None
    nothing = f"`{wanted.service}` offers no models: write `{wanted.service}`"
    whole = [f"{wanted.service}/{name}" for name in service.models]
    return unknown("link/unknown-model", "model", path, text, whole, None if whole else nothing)
