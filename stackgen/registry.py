"""Which engines and targets there are: the modules of two folders, each imported when it is first asked for.

A module's name is the engine's name with `_` for `-`; its constant ENGINE or TARGET is what it offers.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stackgen import engines as _engines
from stackgen import targets as _targets

if TYPE_CHECKING:
    from stackgen.domain.contracts import Engine, Engines, Target, Targets

T = TypeVar("T")


def engine(name: str) -> "Engine":
    """The engine of this name; imports no other. Raises KeyError."""
    found: Engine = _constant(_engines.__name__, engine_names(), name, "ENGINE")
    return found


def target(name: str) -> "Target":
    """The target of this name; imports no other. Raises KeyError."""
    found: Target = _constant(_targets.__name__, target_names(), name, "TARGET")
    return found


@cache
def engine_names() -> tuple[str, ...]:
    """The names of all engines; imports none."""
    return _names(_engines.__path__)


@cache
def target_names() -> tuple[str, ...]:
    """The names of all targets; imports none."""
    return _names(_targets.__path__)


def engines() -> "Engines":
    """All engines by name; looking one up imports it."""
    return _Lazy(engine_names(), engine)


def targets() -> "Targets":
    """All targets by name; looking one up imports it."""
    return _Lazy(target_names(), target)


def platforms() -> "Targets":
    """The targets that a host can name under `platform:`; asking for one imports that target."""
    return _Platforms()


class _Lazy(Mapping[str, T], Generic[T]):
    """Values by name, each found when it is looked up."""

    def __init__(self, names: tuple[str, ...], find: Callable[[str], T]) -> None:
        self._names, self._find = names, find

    def __getitem__(self, name: str) -> T:
        return self._find(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


class _Platforms(Mapping[str, "Target"]):
    def __getitem__(self, name: str) -> "Target":
        if name not in self:
            raise KeyError(name)
        return target(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in target_names() and target(name).platform

    def __iter__(self) -> Iterator[str]:
        return (name for name in target_names() if target(name).platform)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _names(folder: list[str]) -> tuple[str, ...]:
    modules = (module.name for module in iter_modules(folder) if not module.name.startswith("_"))
    return tuple(sorted(name.replace("_", "-") for name in modules))


def _constant(package: str, names: tuple[str, ...], name: str, constant: str) -> Any:
    if name not in names:
        raise KeyError(name)
    return getattr(import_module(f"{package}.{name.replace('-', '_')}"), constant)
