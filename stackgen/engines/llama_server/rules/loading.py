"""Which files are loaded, how, and where to."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.plan import KnownModel
from stackgen.domain.units import show_size
from stackgen.engines.llama_server.effective import Case
from stackgen.engines.llama_server.rules.cache import facts_of

_PLACEMENT: Final = ("n-gpu-layers", "tensor-split", "override-tensor", "cpu-moe", "n-cpu-moe", "n-cpu-ffn")
_EXPERTS: Final = r"ffn_(up|down|gate|gate_up)_(ch|)exps"
_SEES: Final = re.compile(r"(?i)(?:^|[-_./])(?:vl|vision|llava|pixtral|minicpm-v|internvl)(?:\d|[-_./]|$)")
_EMBEDS: Final = re.compile(r"(?i)embed|rerank|(?:^|[-_./])bge(?:[-_./]|$)")


def fit_has_no_say(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """`fit` changes nothing that somebody set (common/fit.cpp): it warns and loads as told."""
    if this.values["fit"] == "on" and (set_ones := [n for n in _PLACEMENT if this.given(n)]):
        listed = ", ".join(f"`{name.replace('-', '_')}`" for name in set_ones)
        yield warning(
            "llama-server/fit-without-effect",
            this.at("fit"),
            f"`fit: on` leaves alone what is set: {listed}",
            "leave one of the two out",
        )


def fit_moves_layers(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """With `fit`, too large a model is not refused: its layers move to the CPU at load time."""
    if this.values["fit"] == "on" and not any(this.given(n) for n in _PLACEMENT):
        yield warning(
            "llama-server/fit-moves-layers",
            this.at("fit"),
            "with `fit: on` the server moves layers to the CPU by what is free when it loads, so the figures of "
            "this plan hold only as long as everything fits anyway",
            "leave it out: what is planned here fits without it",
        )


def two_ways_to_load(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """From b10156 to b10867 the older switches are still there beside `load_mode`, with a warning in the log."""
    older = [name for name in ("mmap", "mlock", "direct-io") if this.given(name)]
    if older and this.given("load-mode"):
        yield error(
            "llama-server/two-load-modes",
            this.at(*older),
            f"`{older[0].replace('-', '_')}` and `load_mode` say the same thing twice, and the later one counts",
            "keep `load_mode`",
        )


def experts_in_main_memory(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Experts on the CPU need main memory of their size; without `ram` nobody checks that it is there."""
    facts = facts_of(this, known)
    if facts is None or this.service.host.ram is not None:
        return
    layers = facts.layers if this.values.get("cpu-moe") else facts.layers[: this.number("n-cpu-moe")]
    size = sum(w.size for layer in layers for w in layer.weights if re.search(_EXPERTS, w.name))
    if size:
        yield warning(
            "llama-server/experts-unchecked",
            this.at("cpu-moe", "n-cpu-moe"),
            f"the experts of `{this.use.id}` take {show_size(size)} of main memory, and how much "
            f"`{this.service.host.name}` has is not told",
            f"add `ram` to hosts.{this.service.host.name}",
        )


def file_unknown(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """A preset must name its file."""
    model = known.get(this.use.model.name)
    told = model is not None and model.facts is not None and model.facts.format != "gguf"
    if model is not None and model.file is None and not told:
        yield error(
            "llama-server/file-unknown",
            this.use.model.path,
            f"which file of `{this.use.model.name}` to load is not known",
            "add the quantization, as hf: owner/repo:Q4_K_M, or the file's name with `file:`",
        )


def device_unknown(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Devices are counted within the service: CUDA0 is the first of its GPUs."""
    names = this.values.get("device", ())
    for name in names if isinstance(names, tuple) else str(names).split(","):
        number = "".join(filter(str.isdigit, str(name)))
        if name != "none" and name and not (number and int(number) < len(this.service.gpus)):
            yield error(
                "llama-server/unknown-device",
                this.at("device"),
                f"`{name}` is none of the {len(this.service.gpus)} GPUs of `{this.service.name}`",
                "CUDA0 is the first GPU of the service, whatever its index on the host",
            )


def embeddings_not_asked_for(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Without the switch /v1/embeddings and /v1/rerank answer with an error."""
    facts, request = facts_of(this, known), this.use.model.request
    text = f"{this.use.model.name}/{request.source[1]}"
    embeds = bool(_EMBEDS.search(text)) or (facts is not None and "bert" in facts.architecture)
    if embeds and not any(this.values.get(n) for n in ("embeddings", "reranking")):
        switch = "reranking" if re.search("(?i)rerank", text) else "embeddings"
        yield warning(
            "llama-server/embeddings-off",
            this.use.path,
            f"`{this.use.id}` looks like an embedding model, but nothing tells llama-server to serve it as one",
            f"add `{switch}: true`",
        )


def projector_missing(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Without a projector a vision model answers images with an error."""
    request, model = this.use.model.request, known.get(this.use.model.name)
    text = f"{this.use.model.name}/{request.source[1]}"
    if _SEES.search(text) and request.mmproj is None and not (model and model.mmproj_file):
        yield warning(
            "llama-server/no-projector",
            this.use.model.path,
            f"`{this.use.model.name}` looks like a vision model, but has no projector, so it cannot see",
            "add `mmproj: FILE`, as the repository names it",
        )


def projector_not_counted(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """Nobody has seen the projector's file yet."""
    model = known.get(this.use.model.name)
    if model is not None and model.facts is not None and model.mmproj_file and not model.mmproj.terms:
        yield warning(
            "llama-server/projector-not-counted",
            this.use.model.path,
            f"how much the projector of `{this.use.model.name}` takes is not known, so it is not counted",
            "`stackgen lock` finds out",
        )
