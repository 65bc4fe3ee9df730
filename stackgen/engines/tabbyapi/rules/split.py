"""How a model is dealt out to the GPUs."""

from collections.abc import Iterator, Mapping
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.plan import KnownModel
from stackgen.domain.units import GIB, show_size
from stackgen.engines.tabbyapi.effective import Case, facts_of

HEADROOM: Final = GIB
"""What a card needs beside what `gpu_split` caps: CUDA's context, and what the allocator cannot use."""


def lengths(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """One figure for each GPU that the process sees; those without one are not used (Model.load_gen)."""
    count = len(this.service.gpus)
    for name, exactly in (("gpu_split", True), ("autosplit_reserve", False)):
        figures = getattr(this.keys, name)
        if figures and (len(figures) > count or (exactly and len(figures) < count)):
            yield error(
                "tabbyapi/split-length",
                this.at(name),
                f"`{name}` has {len(figures)} figures, and `{this.service.name}` has {count} GPUs",
                "give one for each, in the order of `gpus`; 0B leaves a GPU out",
            )


def headroom(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """It caps PyTorch's allocator alone: the context of CUDA comes on top."""
    for position, (size, gpu) in enumerate(zip(this.keys.gpu_split or (), this.service.gpus, strict=False)):
        most = gpu.capacity - gpu.reserve - HEADROOM
        if size > most:
            yield error(
                "tabbyapi/split-headroom",
                (*this.at("gpu_split"), position),
                f"{show_size(size)} of {gpu.model}'s {show_size(gpu.capacity)} leaves no room for CUDA itself, so "
                "loading ends with `Insufficient VRAM`",
                f"{most // GIB}GiB at most",
            )


def without_effect(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """One way to split rules out the others (backends/exllamav3/model.py)."""
    keys, single = this.keys, len(this.service.gpus) == 1
    reasons = {
        "tensor_parallel": "there is one GPU" if single else None,
        "gpu_split": "there is one GPU" if single else None,
        "gpu_split_auto": "there is one GPU"
        if single
        else "`gpu_split` says how"
        if keys.gpu_split
        else "`tensor_parallel` splits by itself"
        if keys.tensor_parallel
        else None,
        # A single GPU is filled with the reserve that holds by default.
        "autosplit_reserve": "there is one GPU"
        if single
        else "`gpu_split` says how"
        if keys.gpu_split
        else "`tensor_parallel` splits by itself"
        if keys.tensor_parallel
        else None,
        "tensor_parallel_backend": None if keys.tensor_parallel else "`tensor_parallel` is off",
    }
    for name, reason in reasons.items():
        if reason and getattr(keys, name):
            yield warning(
                "tabbyapi/without-effect", this.at(name), f"`{name}` has no effect: {reason}", "leave it out"
            )


def offload_without_effect(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Only experts move to main memory, and only when layers are dealt out whole."""
    facts = facts_of(this, known)
    if not this.keys.cpu_moe_offload_layers:
        return
    experts = facts is None or any("_exps" in w.name for layer in facts.layers for w in layer.weights)
    reason = (
        "it goes with whole layers, not with `tensor_parallel`"
        if this.keys.tensor_parallel and len(this.service.gpus) > 1
        else None
        if experts
        else f"`{this.use.model.name}` has no experts"
    )
    if reason:
        yield warning(
            "tabbyapi/without-effect",
            this.at("cpu_moe_offload_layers"),
            f"`cpu_moe_offload_layers` has no effect: {reason}",
            "leave it out",
        )
