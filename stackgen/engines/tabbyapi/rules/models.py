"""Keys that do nothing, and which model is loaded when."""

from collections.abc import Iterator
from typing import Any

from stackgen.data import load_toml
from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedService
from stackgen.domain.lock import home_of
from stackgen.engines.tabbyapi.effective import server


def dead_keys(service: LinkedService) -> Iterator[Diagnostic]:
    """TabbyAPI passes over keys that it does not know, in silence (pydantic's `extra=ignore`)."""
    table: dict[str, dict[str, Any]] = load_toml("tabbyapi")["dead"]
    everywhere = (service.options, *(use.options for use in service.models))
    for path, name in (found for options in everywhere for found in options.dead):
        row = table[name]
        instead = f"write {row['instead']}" if "instead" in row else "remove it"
        yield error("tabbyapi/dead-key", path, f"`{name}` {row['why']}", instead, at_key=True)


def nothing_to_load(service: LinkedService) -> Iterator[Diagnostic]:
    """Without a model it starts, and answers 503 to everything."""
    if not service.models:
        yield warning(
            "tabbyapi/no-model",
            service.path,
            f"`{service.name}` has no model to load, so it answers 503 until somebody loads one",
            "models: {ID: {model: NAME}}",
        )


def no_volume(service: LinkedService) -> Iterator[Diagnostic]:
    """Weights must come from somewhere."""
    if service.models and "models" not in service.volumes:
        yield warning(
            "tabbyapi/no-models-volume",
            service.path,
            f"`{service.name}` has no volume with weights, so /models would be empty",
            "volumes: {models: NAME}",
        )


def options_of_later_models(service: LinkedService) -> Iterator[Diagnostic]:
    """config.yml speaks of the first model; others take what `use_as_default` names (apply_load_defaults)."""
    for use in service.models[1:]:
        for name in sorted(use.options.keys.model_fields_set):
            yield error(
                "tabbyapi/later-model",
                (*use.path, name),
                f"`{use.id}` is loaded later, and config.yml has no place for options of its own",
                "move it to `options`, where it holds for all; or list this model first",
                at_key=True,
            )


def ids_are_folders(service: LinkedService) -> Iterator[Diagnostic]:
    """A request that names a model makes TabbyAPI look for a folder of that name (endpoints/OAI)."""
    if not server(service).inline_model_loading:
        return
    for use in service.models:
        name = home_of(use.model.request).name
        if use.id != name:
            yield error(
                "tabbyapi/inline-id",
                use.path,
                f"with `inline_model_loading` clients ask for a model by its folder, `{name}`",
                f"call it {name}",
                at_key=True,
            )
