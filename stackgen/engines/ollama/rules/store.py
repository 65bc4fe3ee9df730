"""What goes into the store, and under which names."""

from collections.abc import Iterator

from stackgen.domain.diagnostic import Diagnostic, YamlPath, error, warning
from stackgen.domain.linked import LinkedService
from stackgen.domain.lock import ollama_name
from stackgen.domain.plan import KnownModel
from stackgen.engines.ollama.effective import Case


def no_volume(service: LinkedService) -> Iterator[Diagnostic]:
    """Models must be kept somewhere."""
    if "models" not in service.volumes:
        yield warning(
            "ollama/no-models-volume",
            service.path,
            f"`{service.name}` has no volume for its store, so models are gone with the container",
            "volumes: {models: NAME}",
        )


def names_taken(service: LinkedService) -> Iterator[Diagnostic]:
    """Ollama takes `coder`, `Coder` and `coder:latest` for one name."""
    taken: dict[tuple[str, str], YamlPath] = {}
    names = [(use.id, use.path) for use in service.models] + [
        (alias, (*use.path, "alias", index))
        for use in service.models
        for index, alias in enumerate(use.options.alias)
    ]
    for name, path in names:
        key = ollama_name(name.lower())
        if key in taken:
            yield error(
                "ollama/name-taken",
                path,
                f"the name `{name}` is taken: Ollama has one model of a name, in capitals or not",
                "give each model names of its own",
                related=((taken[key], "taken here"),),
            )
        taken.setdefault(key, path)


def file_in_parts(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """A manifest names one file of weights."""
    if model is not None and model.file is not None and "-00001-of-" in model.file:
        yield error(
            "ollama/file-in-parts",
            this.use.model.path,
            f"the weights of `{this.use.model.name}` come in several files, and Ollama runs one",
            "another quantization, or a repository that keeps it in one file",
        )


def projector_not_counted(this: Case, model: KnownModel | None) -> Iterator[Diagnostic]:
    """Nobody has seen the projector's file yet."""
    if model is not None and model.facts is not None and model.mmproj_file and not model.mmproj.terms:
        yield warning(
            "ollama/projector-not-counted",
            this.use.model.path,
            f"how much the projector of `{this.use.model.name}` takes is not known, so it is not counted",
            "`stackgen lock` finds out",
        )
