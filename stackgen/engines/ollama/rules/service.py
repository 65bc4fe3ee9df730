"""What concerns the whole service: who may ask, which variables count, which version runs."""

from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, Severity, error, warning
from stackgen.domain.linked import LinkedService
from stackgen.engines.ollama.options import OllamaOptions
from stackgen.engines.ollama.version import older_than_llama_server

_OPTIONS: Final = {
    f"OLLAMA_{name}": option
    for name, option in {
        **{
            option.upper(): option
            for option in OllamaOptions.model_fields
            if option not in ("fit", "num_batch", "no_prune", "cache_ram")
        },
        "NOPRUNE": "no_prune",
    }.items()
} | {"LLAMA_ARG_FIT": "fit", "LLAMA_ARG_CACHE_RAM": "cache_ram", "LLAMA_ARG_TENSOR_SPLIT": "sched_spread"}
_FIXED: Final = {"OLLAMA_HOST": "publish", "OLLAMA_MODELS": "volumes"}
_PAST: Final = {
    "OLLAMA_GPU_LAYERS": "`num_gpu` of a model",
    "OLLAMA_INTEL_GPU": None,
    "OLLAMA_MAX_VRAM": "`reserve` of the GPU, or `gpus` of the service",
    "OLLAMA_MULTIUSER_CACHE": None,
    "OLLAMA_NEW_ENGINE": None,
    "OLLAMA_NUM_CTX": "`context_length`",
    "OLLAMA_NUM_GPU": "`num_gpu` of a model",
    "OLLAMA_NUM_THREADS": "`num_thread` of a model",
    "OLLAMA_RUNNERS_DIR": None,
    "OLLAMA_TMPDIR": None,
}
"""Variables that people copy from each other, none of which v0.32 reads, and what to write instead."""


def open_to_everybody(service: LinkedService) -> Iterator[Diagnostic]:
    """Ollama asks nobody for a key: whoever reaches it may use, pull and delete models."""
    if service.publish is not None and not service.publish.loopback:
        yield warning(
            "ollama/no-auth",
            (*service.path, "publish"),
            f"Ollama has no log-in: whoever reaches {service.publish.address}:{service.publish.port} may use and "
            "delete its models, and pull others",
            "publish it on 127.0.0.1 and let a gateway with keys, such as litellm, use it",
        )


def variables_of_options(service: LinkedService) -> Iterator[Diagnostic]:
    """A variable wins over the option of the same meaning, and the plan would not know of it."""
    for name in service.env:
        if name in _OPTIONS:
            yield error(
                "ollama/variable",
                (*service.path, "env", name),
                f"{name} would overrule what is planned here",
                f"write it as options.{_OPTIONS[name]}",
                at_key=True,
            )
        elif name in _FIXED:
            yield error(
                "ollama/variable",
                (*service.path, "env", name),
                f"{name} follows from the stack: `{_FIXED[name]}`",
                "leave it out",
                at_key=True,
            )


def variables_of_the_past(service: LinkedService) -> Iterator[Diagnostic]:
    """Variables that did something once, or never."""
    for name in service.env:
        if name in _PAST:
            instead = _PAST[name]
            yield warning(
                "ollama/dead-variable",
                (*service.path, "env", name),
                f"Ollama does not read {name}",
                f"write {instead}" if instead else "leave it out",
                at_key=True,
            )


def engines_of_its_own(service: LinkedService) -> Iterator[Diagnostic]:
    """Other engines, other buffers: figures of this plan are those of llama-server."""
    if version := older_than_llama_server(service.image):
        yield warning(
            "ollama/older-engine",
            (*service.path, "image"),
            f"Ollama {version[0]}.{version[1]} computes by engines of its own, and this plan is that of llama-server, "
            "which Ollama runs from 0.30 on: caches are alike, buffers are not",
            "a newer image, such as docker.io/ollama/ollama:0.32.15",
        )


def overhead_without_effect(service: LinkedService) -> Iterator[Diagnostic]:
    """It is subtracted where the context is chosen and in a line of the log, and nowhere else (v0.32)."""
    options: OllamaOptions = service.options
    if options.gpu_overhead:
        yield warning(
            "ollama/overhead-without-effect",
            (*service.path, "options", "gpu_overhead"),
            "`gpu_overhead` counts where Ollama chooses a context by itself, and not where it loads a model",
            "`reserve` of the GPU is what this plan leaves to other programs",
        )


def never_gives_back(service: LinkedService) -> Iterator[Diagnostic]:
    """A model that never leaves is not loaded twice, and its memory is nobody else's."""
    options: OllamaOptions = service.options
    if options.keep_alive == "forever" and service.gpus:
        yield Diagnostic(
            kind="ollama/never-unloads",
            severity=Severity.NOTE,
            path=(*service.path, "options", "keep_alive"),
            message="what is loaded once stays until Ollama itself needs the room: other programs never get it back",
        )
