"""What stands below `options` and below each model: checked against the option table of the image's build."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from stackgen.domain.contracts import Parsed
from stackgen.domain.diagnostic import Diagnostic, YamlPath, did_you_mean, error, has_errors, warning
from stackgen.domain.linked import SecretKey
from stackgen.domain.llama import LATEST_BUILD
from stackgen.domain.plan import Limit
from stackgen.domain.stack import Name, SecretValue, Service, Strict
from stackgen.domain.validation import validate
from stackgen.emit.ini import why_not
from stackgen.engines.llama_server import absence, argv, image, table
from stackgen.engines.llama_server.argv import Given
from stackgen.engines.llama_server.image import Backend
from stackgen.engines.llama_server.params import Values
from stackgen.engines.llama_server.table import Option, Presence, Role, Spelling
from stackgen.engines.llama_server.values import Value


class RouterKeys(Strict):
    """What concerns the whole service; everything else in `options` is a default for its models."""

    models_max: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        default="auto", description="how many models may be loaded at once; auto: as many as are sure to fit"
    )
    build: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="llama.cpp's build number, for an image whose tag does not name it"
    )
    backend: Backend | None = Field(
        default=None, description="what the image was built for, when its tag does not name it"
    )
    fa_all_quants: bool = Field(
        default=False,
        description="the image was built with GGML_CUDA_FA_ALL_QUANTS, or GGML_CUDA_FA_QUANTS=all",
    )
    api_key: SecretValue | None = Field(
        default=None, description="the key that clients must send, as a secret"
    )
    command_line: list[str] = Field(
        default=[], description="arguments of the router itself, as found; they beat every preset"
    )


class ModelKeys(Strict):
    """What only a model has."""

    alias: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[], description="further names under which clients may ask for it"
    )
    load_on_startup: bool = Field(default=False, description="load it when the service starts")
    draft: Name | None = Field(
        default=None,
        description="a name under `models`: a small model of the same vocabulary that drafts for it",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceOptions:
    """`options` of a service, checked. `values` hold for every model that does not say otherwise."""

    build: int = LATEST_BUILD
    backend: Backend | None = None
    fa_all_quants: bool = False
    models_max: int | Limit = Limit.AUTO
    api_key: SecretKey | None = None
    values: Values = field(default_factory=dict)
    command_line: tuple[str, ...] = ()
    beating: tuple[Given, ...] = ()
    """The arguments of `command_line`, understood."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UseOptions:
    """One entry of `models`, checked."""

    values: Values = field(default_factory=dict)
    alias: tuple[str, ...] = ()
    load_on_startup: bool = False
    draft: str | None = None


def read_service(service: Service, path: YamlPath) -> Parsed:
    """`options` as ServiceOptions; `path` leads to the service."""
    place = (*path, "options")
    own, rest = _divided(RouterKeys, service.options)
    keys, found = validate(RouterKeys, own, place)
    named = image.read(service.image or image.default(()))
    build = (keys.build if keys else None) or named.build or LATEST_BUILD
    found += _about_build(service, keys, named.build, path)
    values, wrong = read_values(rest, build, place, allowed=(*RouterKeys.model_fields,))
    found += wrong
    line = argv.parse_argv(keys.command_line if keys else (), build=build)
    found += (
        error("llama-server/command-line", (*place, "command_line", r.index), r.message, r.hint)
        for r in line.refusals
    )
    if keys is None or has_errors(found):
        return Parsed(None, tuple(found))
    options = ServiceOptions(
        build=build,
        backend=keys.backend or (named.backend if service.image else None),
        fa_all_quants=keys.fa_all_quants,
        models_max=Limit.AUTO if keys.models_max == "auto" else keys.models_max,
        api_key=SecretKey(keys.api_key.secret.name, keys.api_key.secret.key) if keys.api_key else None,
        values=values,
        command_line=tuple(keys.command_line),
        beating=line.given,
    )
    return Parsed(options, tuple(found))


def read_use(entry: Mapping[str, Any], options: ServiceOptions, path: YamlPath) -> Parsed:
    """An entry of `models` as UseOptions; `path` leads to the entry."""
    own, rest = _divided(ModelKeys, entry)
    keys, found = validate(ModelKeys, own, path)
    values, wrong = read_values(rest, options.build, path, allowed=(*ModelKeys.model_fields,))
    found += wrong
    if keys is None or has_errors(found):
        return Parsed(None, tuple(found))
    use = UseOptions(
        values=values, alias=tuple(keys.alias), load_on_startup=keys.load_on_startup, draft=keys.draft
    )
    return Parsed(use, tuple(found))


def _divided(model: type[Strict], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    own = {key: value for key, value in given.items() if key in model.model_fields}
    return own, {key: value for key, value in given.items() if key not in own}


def _about_build(
    service: Service, keys: RouterKeys | None, named: int | None, path: YamlPath
) -> Iterator[Diagnostic]:
    stated = keys.build if keys else None
    if stated and named and stated != named:
        message = f"`build: {stated}` contradicts the image, whose tag says b{named}"
        yield error("llama-server/unknown-build", (*path, "options", "build"), message, "leave `build` out")
    build, place = stated or named, (*path, "options", "build") if stated else (*path, "image")
    if build is None and service.image is not None:
        yield warning(
            "llama-server/unknown-build",
            place,
            f"the tag of `{service.image}` names no build of llama.cpp, so b{LATEST_BUILD} is assumed: "
            "its options, defaults and memory",
            "choose a tag such as server-cuda-b11434, or write `build: NUMBER` under `options`",
        )
    elif build is not None and build != table.nearest_read(build):
        side = "older" if build < table.nearest_read(build) else "newer"
        yield warning(
            "llama-server/unchecked-build",
            place,
            f"b{build} is {side} than the builds whose options were checked, so those of "
            f"b{table.nearest_read(build)} are assumed",
        )


def read_values(
    given: Mapping[str, Any], build: int, path: YamlPath, *, allowed: Collection[str]
) -> tuple[dict[str, Value], list[Diagnostic]]:
    """Table-driven options by canonical name; `allowed` are further keys, for hints."""
    at = table.nearest_read(build)
    values: dict[str, Value] = {}
    found: list[Diagnostic] = []
    for key, raw in given.items():
        option = table.by_yaml_name().get(key)
        if option is None:
            found.append(_unknown(key, raw, at, path, allowed))
            continue
        wrong = list(_misfit(option, raw, at, (*path, key)))
        found += wrong
        if not has_errors(wrong):
            values[option.name] = option.kind(at).read(raw)
    return values, found


def _misfit(option: Option, raw: Any, build: int, place: YamlPath) -> Iterator[Diagnostic]:
    """What is wrong with an option that exists."""
    written = option.yaml_name
    if option.role in (Role.INFO, Role.ROUTER, Role.STACK) or option.name == "load-on-startup":
        yield _misplaced(option, place)
        return
    presence = option.presence(build)
    if presence in (Presence.NOT_YET, Presence.REMOVED):
        message = absence.sentence(option, option.spellings[0], written, build)
        hint = absence.hint(option, build, yaml_line, on=raw is not False)
        yield error("llama-server/not-in-build", place, message, hint, at_key=True)
        return
    if presence is Presence.UNCERTAIN:
        message = f"whether build b{build} has `{written}` is not known: {_seen(option)}"
        yield warning("llama-server/uncertain-option", place, message, at_key=True)
    try:
        text = option.kind(build).spell(option.kind(build).read(raw))
    except ValueError as exc:
        words = option.kind(build).schema.get("enum", ())
        hint = did_you_mean(raw, [w for w in words if isinstance(w, str)]) if isinstance(raw, str) else None
        yield error("spec/value", place, f"`{written}` {exc}", hint)
        return
    if reason := why_not(text):
        message = f"`{written}` cannot be written into a presets file: {reason}"
        instead = option.instead(on=True)
        hint = f"write `{yaml_line(*instead[0])}`" if instead else None
        yield error("llama-server/not-expressible", place, message, hint)


def _seen(option: Option) -> str:
    return f"first seen in b{option.since}" + (f", last in b{option.until}" if option.until else "")


_MISPLACED: dict[Role, tuple[str, str]] = {
    Role.INFO: ("llama-server/reserved-option", "only prints something and exits"),
    Role.ROUTER: ("llama-server/reserved-option", "belongs to the router, which ignores it in a preset"),
    Role.STACK: (
        "llama-server/misplaced-option",
        "is no option here: it follows from the rest of stack.yaml",
    ),
    Role.PRESET: ("llama-server/misplaced-option", "belongs to a model"),
}


def _misplaced(option: Option, place: YamlPath) -> Diagnostic:
    kind, reason = _MISPLACED[option.role]
    return error(kind, place, f"`{option.yaml_name}` {reason}", place_hint(option), at_key=True)


def place_hint(option: Option) -> str:
    """Where to write instead what a row with another role stands for."""
    note = option.note or ("nothing" if option.role is Role.INFO else "it under a model")
    return f"leave it out{note.removeprefix('nothing')}" if note.startswith("nothing") else f"write {note}"


def yaml_line(name: str, value: str | None) -> str:
    """A canonical name as stack.yaml writes it."""
    option = next((o for o in table.options() if o.name == name), None)
    key = option.yaml_name if option else name.replace("-", "_")
    return key if value is None else f"{key}: {value}"


def _unknown(key: str, raw: Any, build: int, path: YamlPath, allowed: Collection[str]) -> Diagnostic:
    found = table.find(key)
    if found is None:
        names = [o.yaml_name for o in table.options() if o.presence(build) is Presence.YES]
        plain = [name for name in names if table.by_yaml_name()[name].role in (Role.PLAIN, Role.PRESET)]
        hint = (
            did_you_mean(key, [*allowed, *plain]) or "`llama-server --help` lists the options of your build"
        )
        return error(
            "spec/unknown-key", (*path, key), f"llama-server has no option `{key}`", hint, at_key=True
        )
    option, spelling = found
    if option.role in (Role.INFO, Role.ROUTER, Role.STACK):
        return _misplaced(option, (*path, key))
    return error(
        "llama-server/spelling",
        (*path, key),
        f"`{key}` is another spelling of `{option.yaml_name}`",
        f"write `{_respelled(option, spelling, raw, build)}`",
        at_key=True,
    )


def _respelled(option: Option, spelling: Spelling, raw: Any, build: int) -> str:
    if option.presence(build) is Presence.REMOVED and (pairs := option.instead(on=not spelling.negated)):
        return yaml_line(*pairs[0])
    if spelling.negated and isinstance(raw, bool):
        return f"{option.yaml_name}: {'false' if raw else 'true'}"
    return option.yaml_name


def schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """JSON Schemas of `options` and of one entry of `models`, for the newest build."""
    return _with_values(RouterKeys), _with_values(ModelKeys)


def _with_values(model: type[Strict]) -> dict[str, Any]:
    own = model.model_json_schema()
    usable = (o for o in table.options() if o.role in (Role.PLAIN, Role.PRESET))
    listed = {o.yaml_name: _described(o) for o in usable if o.presence(LATEST_BUILD) is Presence.YES}
    return own | {"properties": {**listed, **own["properties"]}, "additionalProperties": False}


def _described(option: Option) -> dict[str, Any]:
    first = option.spellings[0].argument
    since = "" if option.since == table.builds()[0] else f", from b{option.since}"
    return {"description": f"llama-server's {first}{since}", **option.kind(LATEST_BUILD).schema}
