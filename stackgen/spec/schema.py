"""The JSON Schema of stack.yaml (draft 2020-12), so that editors complete and check it as it is written."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from stackgen.domain.contracts import Engine, Engines
from stackgen.domain.stack import Stack
from stackgen.spec.parse import EXTENSION

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_MODEL: Final = {"type": "string", "description": "a name under `models`"}


def schema(engines: Engines, platforms: Iterable[str] = (), gpu_names: Iterable[str] = ()) -> dict[str, Any]:
    """The outer shape, with the options of each engine wherever `engine` names it.

    Platforms are the only ones allowed when they are given; names of cards are only suggested.
    """
    root: dict[str, Any] = _plain(Stack.model_json_schema())
    root |= {"$schema": DRAFT, "title": "stack.yaml", "patternProperties": {f"^{EXTENSION}": {}}}
    parts = root["$defs"]
    service, host = parts["Service"], parts["Host"]["properties"]
    service["properties"]["engine"] |= {
        "oneOf": [{"const": name, "description": engine.summary} for name, engine in engines.items()]
    }
    service["allOf"] = [_when(name, engine, parts) for name, engine in engines.items()]
    if names := list(platforms):
        host["platform"] |= {"enum": names}
    if cards := list(gpu_names):
        host["gpus"]["items"]["anyOf"].insert(0, {"enum": cards})
    return root


def _when(name: str, engine: Engine, parts: dict[str, Any]) -> dict[str, Any]:
    """What holds for the services of one engine; named parts of its schemas move to `parts`."""
    options, entry = (_moved(name, _plain(part), parts) for part in engine.schema())
    entry = {
        **entry,
        "properties": {"model": _MODEL, **entry.get("properties", {})},
        "required": ["model", *entry.get("required", ())],
    }
    return {
        "if": {"properties": {"engine": {"const": name}}, "required": ["engine"]},
        "then": {"properties": {"options": options, "models": {"additionalProperties": entry}}},
    }


def _moved(engine: str, part: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    own = part.pop("$defs", {})
    parts |= {f"{engine}.{name}": _renamed(engine, value) for name, value in own.items()}
    moved: dict[str, Any] = _renamed(engine, part)
    return moved


def _renamed(engine: str, value: Any) -> Any:
    """The value with its references leading to where `_moved` puts the parts."""
    if isinstance(value, Mapping):
        return {
            key: item.replace("#/$defs/", f"#/$defs/{engine}.") if key == "$ref" else _renamed(engine, item)
            for key, item in value.items()
        }
    return [_renamed(engine, item) for item in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """A schema without defaults that nobody can write, and with closed sets of names."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    plain = {key: _plain(item) for key, item in value.items() if key != "default" or _writable(value)}
    return {"additionalProperties": False, **plain} if "patternProperties" in plain else plain


def _writable(schema: Mapping[str, Any]) -> bool:
    """Whether the default is of a type that is allowed: sizes and durations have units in the file."""
    number = isinstance(schema["default"], int | float) and not isinstance(schema["default"], bool)
    types = {part.get("type") for part in (schema, *schema.get("anyOf", ()))}
    return not number or bool(types & {"integer", "number"})
