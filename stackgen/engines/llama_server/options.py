"""What stands below `options` and below each model: checked against the option table of the image's build."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from stackgen.domain.contracts import Parsed
from stackgen.domain.diagnostic import Diagnostic, YamlPath, error, has_errors, warning
from stackgen.domain.linked import SecretKey
from stackgen.domain.llama import LATEST_BUILD
from stackgen.domain.plan import Limit
from stackgen.domain.stack import SecretValue, Service, Strict
from stackgen.domain.validation import validate
from stackgen.domain.values import Duration, ModelId
from stackgen.engines.llama_server import image, table
from stackgen.engines.llama_server.image import Backend
from stackgen.engines.llama_server.keys import properties, read_values
from stackgen.engines.llama_server.params import Values

if TYPE_CHECKING:
    from stackgen.engines.llama_server.argv import Given


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
    router: Literal["llama-server", "llama-swap"] = Field(
        default="llama-server",
        description="what stands before the models: llama-server's own router, or llama-swap, which knows which of "
        "them fit together",
    )
    global_ttl: Duration | None = Field(
        default=None, description="with llama-swap: unload a model that nobody asked for so long"
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
    draft: ModelId | None = Field(
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
    router: Literal["llama-server", "llama-swap"] = "llama-server"
    global_ttl: int | None = None
    """Seconds."""
    values: Values = field(default_factory=dict)
    command_line: tuple[str, ...] = ()
    beating: "tuple[Given, ...]" = ()
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
    beating: tuple[Given, ...] = ()
    if keys and keys.command_line:
        from stackgen.engines.llama_server.argv import parse_argv

        line = parse_argv(keys.command_line, build=build)
        beating = line.given
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
        router=keys.router,
        global_ttl=keys.global_ttl,
        values=values,
        command_line=tuple(keys.command_line),
        beating=beating,
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


def schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """JSON Schemas of `options` and of one entry of `models`, for the newest build."""
    return _with_values(RouterKeys), _with_values(ModelKeys)


def _with_values(model: type[Strict]) -> dict[str, Any]:
    own = model.model_json_schema()
    return own | {"properties": {**properties(), **own["properties"]}, "additionalProperties": False}
