"""Options as they are written, checked; keys that TabbyAPI does not have are kept apart, for a rule to tell of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackgen.data import load_toml
from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Parsed
from stackgen.domain.diagnostic import YamlPath
from stackgen.domain.stack import Service
from stackgen.engines.tabbyapi.keys import ModelKeys, ServiceKeys


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Checked keys of a service or of one entry of `models`; `dead` are those that do nothing."""

    keys: ModelKeys
    dead: tuple[tuple[YamlPath, str], ...] = ()


def read_service(service: Service, path: YamlPath) -> Parsed:
    """`options` of a service; `path` leads to the service."""
    return _read(ServiceKeys, service.options, (*path, "options"))


def read_use(entry: Mapping[str, Any], path: YamlPath) -> Parsed:
    """An entry of `models`; `path` leads to it."""
    return _read(ModelKeys, entry, path)


def _read(model: type[ModelKeys], data: Mapping[str, Any], path: YamlPath) -> Parsed:
    table: Mapping[str, Any] = load_toml("tabbyapi")["dead"]
    dead: list[tuple[YamlPath, str]] = []
    living = _without(data, (), path, table, dead)
    keys, found = defaults.parse(model, living, path)
    return Parsed(None if keys is None else Options(keys=keys, dead=tuple(dead)), found)


def _without(
    data: Mapping[str, Any],
    above: tuple[str, ...],
    path: YamlPath,
    table: Mapping[str, Any],
    dead: list[tuple[YamlPath, str]],
) -> dict[str, Any]:
    """The mapping without its dead keys, and without mappings in which nothing else was."""
    living: dict[str, Any] = {}
    for key, value in data.items():
        place, name = (*path, *above, key), ".".join((*above, str(key)))
        if name in table:
            dead.append((place, name))
        elif isinstance(value, dict) and any(row.startswith(f"{name}.") for row in table):
            inner = _without(value, (*above, key), path, table, dead)
            living |= {key: inner} if inner or not value else {}
        else:
            living[key] = value
    return living
