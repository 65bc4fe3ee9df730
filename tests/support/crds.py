"""Custom resources against the schemas in tests/crds: structure, unknown fields, and their CEL rules."""

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).parents[1] / "crds"
KINDS = frozenset(
    {
        *(
            "Application",
            "CiliumNetworkPolicy",
            "ExternalSecret",
            "HTTPRoute",
            "HelmRelease",
            "HelmRepository",
        ),
        *("Kustomization", "LLMInferenceService", "LLMInferenceServiceConfig", "LeaderWorkerSet"),
        "ServiceMonitor",
    }
)
"""The kinds that have a schema here."""
_SAME = {"llminferenceserviceconfig": "llminferenceservice"}
"""Kinds with the spec of another."""
_OBJECT = ("apiVersion", "kind", "metadata")
_BRANCHES = ("anyOf", "oneOf", "allOf", "not")


def violations(one: Mapping[str, Any]) -> list[str]:
    """What is wrong with an object, by its schema or by a rule."""
    group, _, version = one["apiVersion"].rpartition("/")
    raw, validator = _schema(group, version, _SAME.get(one["kind"].lower(), one["kind"].lower()))
    body = {key: value for key, value in one.items() if key not in _OBJECT}
    found = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in validator.iter_errors(body)]
    if found:
        return found
    filled = copy.deepcopy(body)
    _fill(raw, filled)
    return list(_rules(raw, filled, ""))


@cache
def _schema(group: str, version: str, kind: str) -> tuple[dict[str, Any], jsonschema.Draft7Validator]:
    raw: dict[str, Any] = json.loads((SCHEMAS / group / f"{kind}_{version}.json").read_text("utf-8"))
    strict = _strict(raw)
    for key in _OBJECT:
        strict["properties"].pop(key, None)
    strict["required"] = [key for key in strict.get("required", []) if key not in _OBJECT]
    return raw, jsonschema.Draft7Validator(strict)


def _strict(schema: Any, *, closed: bool = True) -> Any:
    """The schema as JSON Schema, which refuses unknown fields as an API server does when it is strict."""
    if isinstance(schema, list):
        return [_strict(item, closed=closed) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("enum", "default", "required", "x-kubernetes-validations"):
            made[key] = value
        elif key == "properties":
            made[key] = {name: _strict(item, closed=closed) for name, item in value.items()}
        else:
            # A branch only adds conditions, so it stays open.
            made[key] = _strict(value, closed=closed and key not in _BRANCHES)
    if made.get("x-kubernetes-int-or-string") or made.get("format") == "int-or-string":
        made.pop("type", None)
        made.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    preserved = made.get("x-kubernetes-preserve-unknown-fields")
    if closed and made.get("properties") and "additionalProperties" not in made and not preserved:
        made["additionalProperties"] = False
    return made


def _fill(schema: Any, value: Any) -> None:
    """Put in defaults, as an API server does before it looks at rules."""
    if isinstance(value, dict):
        for key, inner in (schema.get("properties") or {}).items():
            if key not in value and "default" in inner:
                value[key] = copy.deepcopy(inner["default"])
            if key in value:
                _fill(inner, value[key])
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            _fill(schema["items"], item)


def _rules(schema: Any, value: Any, path: str) -> Iterator[str]:
    from cel import evaluate

    for rule in schema.get("x-kubernetes-validations") or []:
        # Rules about a change need an object from before.
        if "oldSelf" not in rule["rule"] and evaluate(rule["rule"], {"self": value}) is not True:
            yield f"{path}: {rule.get('message') or rule['rule']}"
    if isinstance(value, dict):
        for key, item in value.items():
            inner = (schema.get("properties") or {}).get(key) or schema.get("additionalProperties")
            if isinstance(inner, dict):
                yield from _rules(inner, item, f"{path}/{key}")
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from _rules(schema["items"], item, f"{path}/{index}")
