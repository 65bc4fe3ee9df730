"""The router itself: its command line, its environment, and how many models it starts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedService
from stackgen.engines.llama_server import table
from stackgen.engines.llama_server.keys import place_hint, yaml_line
from stackgen.engines.llama_server.table import Role

if TYPE_CHECKING:
    from stackgen.engines.llama_server.argv import Given

FIRST_OFF_THE_GPU: Final = 9496
"""Older routers create a CUDA context of their own on each GPU (issues 21692, 23120; seen gone in b9496)."""
_HARMLESS: Final = frozenset({"HF_TOKEN", "LLAMA_ARG_HOST", "LLAMA_ARG_PORT"})


def command_line(service: LinkedService) -> Iterator[Diagnostic]:
    """Arguments of the router beat every preset (docs/preset.md), so no model can say otherwise."""
    for item in service.options.beating:
        path = (*service.path, "options", "command_line", item.index)
        if item.option.role is Role.PLAIN:
            yield error(
                "llama-server/command-line-beats-presets",
                path,
                f"`{item.argument}` on the router's command line holds for every model, {_beaten(service, item)}",
                f"move it to `options`, as `{_as_option(item, service.options.build)}`, where models can differ",
            )
        else:
            message = (
                f"`{item.argument}` does not belong on the command line of the router that stackgen starts"
            )
            yield error("llama-server/reserved-option", path, message, place_hint(item.option))


def _beaten(service: LinkedService, item: "Given") -> str:
    name = item.option.name
    others = [use.id for use in service.models if use.options.values.get(name, item.value) != item.value]
    if others:
        return f"whatever `{yaml_line(name, None)}` says for {', '.join(f'`{use}`' for use in others)}"
    return "whatever their presets say"


def _as_option(item: "Given", build: int) -> str:
    text = item.option.kind(table.nearest_read(build)).spell(item.value)
    return yaml_line(item.option.name, text)


def environment(service: LinkedService) -> Iterator[Diagnostic]:
    """Variables set options as well, below every preset, where no plan sees them."""
    for name in service.env:
        option = table.by_env().get(name)
        if option is None or name in _HARMLESS:
            continue
        hint = (
            f"write `{option.yaml_name}` under `options`"
            if option.role in (Role.PLAIN, Role.PRESET)
            else place_hint(option)
        )
        message = f"`{name}` sets an option of llama-server behind the plan's back"
        yield error("llama-server/env-option", (*service.path, "env", name), message, hint, at_key=True)


def starts_too_many(service: LinkedService) -> Iterator[Diagnostic]:
    """More models to load at the start than may be loaded is fatal, and 0 means none (server-models.cpp)."""
    limit = service.options.models_max
    started = [use.id for use in service.models if use.options.load_on_startup]
    if not isinstance(limit, int) or len(started) <= limit:
        return
    path = (*service.path, "options", "models_max")
    if limit == 0:
        message = "`models_max: 0` means no limit, but then llama-server refuses `load_on_startup`"
        yield error(
            "llama-server/unlimited-with-startup", path, message, f"write `models_max: {len(service.models)}`"
        )
    else:
        message = (
            f"{len(started)} models load at the start, but only {limit} may be loaded: the router would exit"
        )
        hint = f"write `models_max: {len(started)}`, or take `load_on_startup` from some"
        yield error("llama-server/startup-limit", path, message, hint)


def context_of_its_own(service: LinkedService) -> Iterator[Diagnostic]:
    """Memory that belongs to no model, so no ledger shows it."""
    if service.gpus and service.options.build < FIRST_OFF_THE_GPU:
        yield warning(
            "llama-server/router-on-gpu",
            (*service.path, "image") if service.image else service.path,
            f"the router of build b{service.options.build} holds 0.5 to 0.7 GiB on each GPU itself, beside its models; "
            "that is not counted here",
            f"use b{FIRST_OFF_THE_GPU} or later, or write `reserve: 700MiB` on the GPUs",
        )


def no_volume(service: LinkedService) -> Iterator[Diagnostic]:
    """Weights must come from somewhere."""
    if service.models and "models" not in service.volumes:
        yield warning(
            "llama-server/no-models-volume",
            service.path,
            f"`{service.name}` has no volume with weights, so /models would be empty",
            "volumes: {models: NAME}",
        )
