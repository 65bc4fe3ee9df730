"""Which ExLlama runs, on which GPUs, and which weights it reads."""

from collections.abc import Iterator, Mapping
from typing import Final

from stackgen.data import load_toml
from stackgen.domain.diagnostic import Diagnostic, Severity, error, warning
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel
from stackgen.domain.units import show_size
from stackgen.domain.weights import format_of
from stackgen.engines.tabbyapi.effective import Case, facts_of, server
from stackgen.memory.exllama.footprint import EMBEDDING

REMOVED: Final = "2026-07-14"
"""When ExLlamaV2 was removed (c8b9a8f); the branch `exl2-checkpoint` is the state before."""
_LEAST: Final = (8, 0)


def format_of_weights(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """ExLlamaV3 refuses EXL2 and GPTQ (common/model.py, validate_backend); ExLlamaV2 cannot read EXL3."""
    model = known.get(this.use.model.name)
    found = model.facts.format if model and model.facts else format_of(this.use.model.request)
    key = this.use.model.request.source[0]
    path = (*this.use.model.path, key)
    if found == "gguf":
        yield error(
            "tabbyapi/gguf",
            path,
            f"`{this.use.model.name}` is a GGUF file, which ExLlama does not read",
            "name a repository with EXL3 weights, or serve it with llama-server",
        )
    elif found in ("exl2", "gptq") and this.server.backend == "exllamav3":
        yield error(
            "tabbyapi/exl2-removed",
            path,
            f"`{this.use.model.name}` has {found.upper()} weights, and TabbyAPI removed the backend that reads them "
            f"on {REMOVED}",
            "take the EXL3 weights of the same model; or stay with `backend: exllamav2` and an image or a checkout of "
            "the branch exl2-checkpoint",
        )
    elif found == "exl3" and this.server.backend == "exllamav2":
        yield error(
            "tabbyapi/wrong-backend",
            path,
            f"`{this.use.model.name}` has EXL3 weights, which ExLlamaV2 cannot read",
            "a second service with `backend: exllamav3` and another port, both in one `exclusive` group",
        )


def image_without_exllamav2(service: LinkedService) -> Iterator[Diagnostic]:
    """The image that runs when none is named has had no ExLlamaV2 since it was removed."""
    keys = server(service)
    if keys.backend == "exllamav2" and service.image is None and keys.native is None:
        yield error(
            "tabbyapi/backend-removed",
            (*service.path, "options", "backend"),
            f"ExLlamaV2 was removed from TabbyAPI on {REMOVED}, so today's image would refuse to start",
            "image: one that you built from the branch exl2-checkpoint; or native: {folder: …, python: …}",
        )


def image_moves(service: LinkedService) -> Iterator[Diagnostic]:
    """Its publisher builds `latest` from every commit."""
    if service.image is None and server(service).native is None:
        yield Diagnostic(
            kind="tabbyapi/image-moves",
            severity=Severity.NOTE,
            path=service.path,
            message="the official image has no tags that stay, so the same stack may run another TabbyAPI tomorrow",
            hint="image: ghcr.io/theroyallab/tabbyapi@sha256:…, as `docker image inspect` prints it",
        )


def two_ways_to_run(service: LinkedService) -> Iterator[Diagnostic]:
    """An installation on the host is not in an image."""
    if service.image is not None and server(service).native is not None:
        yield error(
            "tabbyapi/native-and-image",
            (*service.path, "options", "native"),
            "`image` and `native` both say what to run",
            "keep one",
        )


def gpus(service: LinkedService) -> Iterator[Diagnostic]:
    """It computes on NVIDIA GPUs only, ExLlamaV3 on those from Ampere on (common/hardware.py)."""
    if not service.gpus:
        yield error(
            "tabbyapi/no-gpu", service.path, "ExLlama computes on GPUs only, and this has none", "gpus: [0]"
        )
    for position, gpu in enumerate(service.gpus):
        capability = gpu.compute_capability
        old = capability is not None and capability < _LEAST
        if server(service).backend == "exllamav3" and (gpu.vendor != "nvidia" or old):
            yield error(
                "tabbyapi/unsupported-gpu",
                (*service.path, "gpus", position),
                f"ExLlamaV3 needs NVIDIA GPUs of compute capability 8.0 or more, and this is {gpu.model}",
                "serve the model with llama-server there",
            )


def declared_too_little(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """A claim that the weights alone refute: bits per weight x weights / 8."""
    facts, declared = facts_of(this, known), this.use.model.declared
    if facts is None or declared is None or facts.format == "gguf":
        return
    least = facts.weight_bytes - sum(w.size for w in facts.weights if w.name in EMBEDDING)
    if declared[1] < least:
        yield error(
            "tabbyapi/declared-too-little",
            (*this.use.model.path, "vram"),
            f"`{this.use.model.name}` is declared to take {show_size(declared[1])} at most, and its weights alone take "
            f"{show_size(least)}; that is what is planned with",
            "remove `vram`; to make it smaller, take fewer bits per weight",
        )


def architecture(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """ExLlama knows each family by name, and refuses the others (architecture/architectures.py)."""
    facts = facts_of(this, known)
    table = load_toml("exllama")["architectures"]
    if facts and facts.format != "gguf" and facts.architecture not in table["known"]:
        yield warning(
            "tabbyapi/unknown-architecture",
            (*this.use.model.path, this.use.model.request.source[0]),
            f"`{facts.architecture}` is not among the families that {table['version']} reads, so its memory is a guess",
            "measure it, and write the figures under `measured`",
        )
