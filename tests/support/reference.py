"""Tables for the documents, from the program's own schemas, tables and command line."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from itertools import groupby
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer.models import OptionInfo

from stackgen import registry
from stackgen.cli import cli
from stackgen.data import gpus
from stackgen.domain.stack import Stack
from stackgen.domain.units import MIB, show_size
from stackgen.engines.llama_server import table as llama
from stackgen.engines.llama_server.options import ModelKeys, RouterKeys
from tests.support.cli import ROOT
from tests.support.engines import lower, service

Schema = Mapping[str, Any]
PATTERNS = {"B|[KMGT]i?B": "size", "[smhd]": "duration", r"\d+(:\d+)?$": "`uid` or `uid:gid`"}
"""Parts of patterns that stand for a form with a name of its own."""
_SMALL = 4
"""Keys of a mapping that are all named where it is used."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    listed = [list(head), *(list(row) for row in rows)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in listed]
    return "\n".join([lines[0], "|" + "---|" * len(listed[0]), *lines[1:]])


def keys(name: str = "") -> str:
    """The keys of stack.yaml, or of one of its parts."""
    root = Stack.model_json_schema()
    return _properties(root["$defs"][name] if name else root, root["$defs"])


def options(engine: str) -> str:
    """The options of an engine."""
    own, _ = registry.engine(engine).schema()
    return _properties(own, own.get("$defs", {}))


def model_options(engine: str) -> str:
    """The options of one entry of `models`, as a table."""
    part: Schema = registry.engine(engine).schema()[1]
    return _properties(part, part.get("$defs", {}))


def json_keys(name: str = "") -> str:
    """The keys of the JSON form of a plan, or of a part of it."""
    root = json.loads((ROOT / "docs" / "plan.schema.json").read_text("utf-8"))
    return _properties(root["$defs"][name] if name else root, root["$defs"])


def _properties(part: Schema, parts: Schema) -> str:
    rows = (
        (f"`{key}`", form(item, parts), _default(key, item, part, parts), item.get("description", ""))
        for key, item in part["properties"].items()
    )
    return table(("key", "form", "default", "meaning"), rows)


def _default(key: str, item: Schema, part: Schema, parts: Schema) -> str:
    if key in part.get("required", ()):
        return "required"
    default = item.get("default")
    if default is None or isinstance(default, list | dict):
        return ""
    match form(item, parts):
        case "size":
            return f"`{show_size(default).replace(' ', '')}`"
        case "duration":
            return f"`{default}s`"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def form(item: Schema, parts: Schema) -> str:
    """What a value looks like, in a few words."""
    if "$ref" in item:
        name = item["$ref"].rpartition("/")[2]
        return (
            form(parts[name], parts)
            if "properties" not in parts[name]
            else f"{{{', '.join(_names(parts[name]))}}}"
        )
    if "anyOf" in item:
        words = (form(one, parts) for one in item["anyOf"] if one.get("type") != "null")
        return " or ".join(dict.fromkeys(words))
    if "enum" in item or "const" in item:
        return ", ".join(
            f"`{json.dumps(word).strip(chr(34))}`" for word in item.get("enum", [item.get("const")])
        )
    match item.get("type"):
        case "array":
            return f"list of {form(item.get('items', {}), parts)}"
        case "object":
            inner = [*item.get("patternProperties", {}).values(), item.get("additionalProperties")]
            found = next((one for one in inner if isinstance(one, Mapping) and one), None)
            return f"name: {form(found, parts)}" if found else "mapping"
        case "string":
            return next((word for mark, word in PATTERNS.items() if mark in item.get("pattern", "")), "text")
        case "integer" | "number":
            return _number(item)
        case "boolean":
            return "true, false"
        case [*several]:
            return " or ".join(form({"type": one}, parts) for one in several if one != "null")
    return "any"


def _number(item: Schema) -> str:
    low, high = item.get("minimum"), item.get("maximum")
    bounds = f" {low} to {high}" if high is not None else f" from {low}" if low is not None else ""
    return f"{'number' if item['type'] == 'number' else 'integer'}{bounds}"


def _names(part: Schema) -> Iterator[str]:
    """The keys of a mapping; of a large one, those that must be there."""
    required, keys = part.get("required", ()), part["properties"]
    small = len(keys) <= _SMALL
    yield from (key if key in required else f"{key}?" for key in keys if small or key in required)
    if not small:
        yield "…"


def router_options(*roles: str) -> str:
    """The options of llama-server's models, with the builds that know them."""
    newest, oldest = llama.builds()[-1], llama.builds()[0]
    listed = [
        o for o in llama.options() if o.role.value in roles and o.yaml_name not in RouterKeys.model_fields
    ]
    rows = (
        (
            f"`{option.yaml_name}`",
            f"`{option.spellings[0].argument}`",
            form(option.kind(newest).schema, {}),
            _builds(option, oldest),
            _instead(option),
        )
        for option in listed
    )
    return table(("key", "llama-server's", "form", "builds", "instead"), rows)


def builds() -> str:
    """The builds whose options were read."""
    return ", ".join(f"b{build}" for build in llama.builds())


def router_keys(owner: str) -> str:
    """The keys that no option of llama-server is behind."""
    part = (RouterKeys if owner == "service" else ModelKeys).model_json_schema()
    return _properties(part, part.get("$defs", {}))


def _builds(option: llama.Option, oldest: int) -> str:
    since = "" if option.since == oldest else f"from b{option.since}"
    until = "" if option.until is None else f"to b{option.until}"
    return f"{since} {until}".strip() or "all"


def _instead(option: llama.Option) -> str:
    if option.role is not llama.Role.PLAIN:
        return option.note or ""
    pairs = option.instead(on=True)
    return ", ".join(f"`{name.replace('-', '_')}{f': {value}' if value else ''}`" for name, value in pairs)


def engines() -> str:
    """What there is, and what each can be given and can do for others."""
    rows = (
        (
            f"`{name}`",
            engine.summary,
            _listed(engine.use_roles),
            _listed(sorted(engine.offers)),
            "any folder" if engine.volume_roles is None else _listed(engine.volume_roles),
        )
        for name, engine in registry.engines().items()
    )
    return table(("engine", "what it is", "uses", "offers", "volumes"), rows)


def what_runs() -> str:
    """Image, port and health check of each engine whose service says nothing about them."""
    rows = []
    for name in registry.engine_names():
        if name != "program":
            made = lower(registry.engine(name), service(registry.engine(name), "gpus: [0]"))
            asked = made.health.path if made.health else "-"
            rows.append((f"`{name}`", f"`{made.image}`", str(made.ports[0].number), f"`{asked}`"))
    return table(("engine", "image", "port", "health check"), rows)


def roles(engine: str) -> str:
    """The volumes and the uses of one engine."""
    found = registry.engine(engine)
    rows = [
        (f"`volumes.{role}`", about.description, "one") for role, about in (found.volume_roles or {}).items()
    ]
    rows += [
        (f"`uses.{role}`", about.description, "one or more" if about.many else "one")
        for role, about in found.use_roles.items()
    ]
    return table(("key", "meaning", "how many"), rows)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


def command(name: str) -> str:
    """The arguments and options of a command."""
    hints = get_type_hints(_callback(name), include_extras=True)
    rows = []
    for parameter, hint in hints.items():
        if get_origin(hint) is not Annotated:
            continue
        kind, about = get_args(hint)[:2]
        written = (
            _option(parameter, kind, about) if isinstance(about, OptionInfo) else about.metavar or parameter
        )
        rows.append((f"`{written}`", about.help or ""))
    return table((f"`stackgen {name}`", "meaning"), rows)


def _callback(name: str) -> Callable[..., Any]:
    callbacks = {c.name or c.callback.__name__: c.callback for c in cli.registered_commands if c.callback}
    return callbacks[name]


def _option(name: str, kind: Any, about: OptionInfo) -> str:
    # In `Annotated`, typer takes the first name of an option for its default.
    first = (about.default,) if isinstance(about.default, str) else ()
    spelled = ", ".join((*first, *(about.param_decls or ()))) or f"--{name.replace('_', '-')}"
    if kind is bool:
        return spelled
    words = [word.value for word in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []
    return f"{spelled} {'|'.join(words) or about.metavar or name.upper()}"


def cards() -> str:
    """The names of all graphics cards, by vendor and generation, with what the driver offers."""
    known = [card for name in gpus.names() if (card := gpus.gpu(name))]
    rows = (
        (f"{series[0]} {series[1]}", ", ".join(f"`{c.name}` {_gib(c.capacity, c.measured)}" for c in found))
        for series, found in groupby(known, key=lambda card: (card.vendor, card.architecture))
    )
    return table(("series", "names"), rows)


def _gib(size: int, measured: bool) -> str:
    return f"{'' if measured else '~'}{show_size(size // MIB * MIB)}"
