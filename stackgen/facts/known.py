"""What is known of a requested model: from its own header, from the lock, or from the catalog."""

import re
from collections.abc import Iterator
from functools import lru_cache

from stackgen.domain.diagnostic import Diagnostic, Severity, YamlPath, error
from stackgen.domain.footprint import NOTHING, Basis, Memory
from stackgen.domain.header import GgufHeader
from stackgen.domain.linked import LinkedModel, ModelRequest
from stackgen.domain.lock import WEIGHTS, LockEntry, folder_of, web_path
from stackgen.domain.plan import KnownModel
from stackgen.domain.weights import format_of
from stackgen.facts import catalog
from stackgen.facts.derive import derive
from stackgen.memory.companions import projector_of

WAYS_OUT = "name its shape with `catalog:`, or declare its memory with `vram: {low: …, high: …}`"
_QUANT = re.compile(r"[-_.]((?:UD-)?[A-Z0-9_]+)(?:-\d{5}-of-\d{5})?\.gguf$", re.IGNORECASE)


def from_header(model: LinkedModel, header: GgufHeader) -> KnownModel:
    """From a file that is here: everything is exact."""
    return KnownModel(
        request=model.request,
        facts=derive(header),
        basis=Basis.EXACT,
        file=model.request.path,
        mmproj_file=model.request.mmproj,
    )


def from_lock(model: LinkedModel, entry: LockEntry) -> KnownModel:
    """From the lock: figures are those of the very files that will be there."""
    projector = entry.mmproj_file
    return KnownModel(
        request=model.request,
        facts=entry.facts,
        basis=Basis.EXACT if entry.facts else Basis.DECLARED,
        file=str(entry.target(entry.pin.files[0])) if entry.pin.files else None,
        mmproj_file=str(entry.target(projector)) if projector else model.request.mmproj,
        mmproj=Memory((projector_of(entry.mmproj, entry.mmproj, Basis.MODELLED),))
        if entry.mmproj
        else NOTHING,
        disk_bytes=entry.pin.size,
        measured=entry.measured,
    )


def from_catalog(model: LinkedModel) -> KnownModel:
    """From the built-in catalog; when it does not know the model, `facts` is None and a finding says so."""
    request = model.request
    form = format_of(request)
    if form in ("exl3", "exl2"):
        from stackgen.facts import exl

        return exl.known(model, form)
    hit = in_catalog(request)
    if hit is None and form is None and (published := _as_published(model)):
        return published
    file, mmproj_file = file_names(request)
    if hit is None:
        return KnownModel(
            request=request,
            facts=None,
            basis=Basis.DECLARED if model.declared else Basis.CATALOG,
            file=file,
            mmproj_file=mmproj_file,
            diagnostics=() if model.declared else _unknown(model),
        )
    facts = derive(hit.header, basis=Basis.CATALOG)
    return KnownModel(
        request=request,
        facts=facts,
        basis=Basis.CATALOG,
        file=file,
        mmproj_file=mmproj_file,
        mmproj=_projector(request),
        spread_percent=hit.spread_percent,
        diagnostics=(_unlocked(model.path, hit.name, hit.quant, hit.spread_percent),),
    )


def _as_published(model: LinkedModel) -> KnownModel | None:
    """A repository that names no quantization and no file holds the weights as they were trained, or nearly so."""
    request = model.request
    if request.repo is None or request.quant or request.file or request.files:
        return None
    from stackgen.facts import published

    return published.known(model)


def in_catalog(request: ModelRequest) -> catalog.CatalogHit | None:
    """The header that the built-in catalog has for a request."""
    if request.ollama is not None:
        from stackgen.facts import library

        return library.lookup(request.ollama, request.catalog)
    quant = _quant(request)
    if quant is None:
        return None
    if request.catalog is not None:
        return catalog.by_name(request.catalog, quant, request.repo or "")
    return catalog.lookup(request.repo, quant) if request.repo is not None else None


LADDER = (
    "BF16",
    "Q8_0",
    "Q6_K",
    "Q5_K_M",
    "Q5_K_S",
    "Q4_K_M",
    "Q4_K_S",
    "IQ4_XS",
    "Q3_K_M",
    "IQ3_XXS",
    "Q2_K",
)
"""Quantizations that most publishers have, largest first."""
DYNAMIC_LADDER = (
    "BF16",
    "UD-Q8_K_XL",
    "UD-Q6_K_XL",
    "UD-Q5_K_XL",
    "UD-Q4_K_XL",
    "UD-Q3_K_XL",
    "UD-IQ3_XXS",
    "UD-Q2_K_XL",
)
"""The same for those who publish dynamic ones."""


def ladder(quant: str) -> tuple[str, ...]:
    """The quantizations among which somebody who has this one chooses, largest first."""
    return DYNAMIC_LADDER if quant.upper().startswith("UD-") else LADDER


def smaller(model: LinkedModel) -> Iterator[KnownModel]:
    """A model of the hub under other quantizations that take less, the next smaller first; a file has none."""
    request, form = model.request, format_of(model.request)
    if form in ("exl3", "exl2"):
        from stackgen.facts import exl

        yield from exl.smaller(model, form)
    now = None if request.file or not request.repo or not request.quant else in_catalog(request)
    size = now.header.file_bytes if now else 0
    for quant in ladder(request.quant or "") if now else ():
        other = _under(model, quant)
        if other.facts and other.facts.file_bytes * 100 < size * 97:
            size = other.facts.file_bytes
            yield other


def quantizations(model: LinkedModel) -> tuple[KnownModel, ...]:
    """A model of the hub under each quantization that is known of it, the largest first."""
    request = model.request
    now = None if request.file or not request.repo or not request.quant else in_catalog(request)
    if now is None:
        return ()
    mine, shape = _under(model, request.quant or ""), catalog.find(request.catalog or request.repo or "")
    if shape and shape.exp_type:
        return (mine,)
    listed = [mine, *(_under(model, quant) for quant in ladder(request.quant or ""))]
    found: list[KnownModel] = []
    for other in sorted(listed, key=lambda m: (-_size(m), m is not mine)):
        near = [m for m in (mine, *found[-1:]) if abs(_size(m) - _size(other)) * 20 < _size(m)]
        if other is mine or (other.facts and not near):
            found.append(other)
    return tuple(found)


def _size(model: KnownModel) -> int:
    return model.facts.file_bytes if model.facts else 0


@lru_cache(maxsize=256)
def _under(model: LinkedModel, quant: str) -> KnownModel:
    return from_catalog(model._replace(request=model.request._replace(quant=quant)))


def _quant(request: ModelRequest) -> str | None:
    """The quantization that is asked for, by itself or in a file's name such as Qwen3-4B-Q4_K_M.gguf."""
    match = _QUANT.search(request.file or request.path or web_path(request.url or ""))
    return request.quant or (match[1] if match else None)


def _projector(request: ModelRequest) -> Memory:
    """What a projector of the catalog takes; nothing when none is asked for or none is known."""
    sizes = catalog.projector(request.repo or "", request.mmproj) if request.mmproj else None
    return NOTHING if sizes is None else Memory((projector_of(*sizes, Basis.CATALOG),))


def file_names(request: ModelRequest) -> tuple[str | None, str | None]:
    """Paths of weights and projector below the models volume: `owner/repo/file`, as downloads keep them.

    Without a lock the weights' name follows the hub's custom: the repository's name and the quantization.
    """
    if request.ollama is not None:
        return str(folder_of(request) / WEIGHTS), None
    if request.repo is None:
        return request.path or web_path(request.url or ""), request.mmproj
    name = request.repo.rpartition("/")[2].removesuffix("-GGUF").removesuffix("-gguf")
    file = request.file or (f"{name}-{request.quant}.gguf" if request.quant else None)
    mmproj = f"{request.repo}/{request.mmproj}" if request.mmproj else None
    return (f"{request.repo}/{file}" if file else None), mmproj


def _unlocked(path: YamlPath, name: str, quant: str, spread: int) -> Diagnostic:
    bound = f", the real weights may differ by {spread} %" if spread else ""
    return Diagnostic(
        kind="facts/unlocked",
        severity=Severity.NOTE,
        path=path,
        message=f"planned as {name} {quant} from the built-in catalog{bound}; the file's name is assumed",
    )


def _unknown(model: LinkedModel) -> tuple[Diagnostic, ...]:
    request = model.request
    if request.repo is None:
        key, source = request.source
        why = "is not here to be read" if key == "path" else "is not locked"
        text = f"{source} {why}, so nothing is known of its memory"
        hint = WAYS_OUT if key == "path" else f"let `stackgen lock` read it, {WAYS_OUT}"
        return (error("facts/unknown-model", (*model.path, key), text, hint),)
    quant = _quant(request)
    if not quant:
        # Files of a program of its own, such as an image model's: their memory is declared.
        return ()
    near = catalog.nearest(request.catalog or request.repo, quant)
    text = f"the built-in catalog does not know {request.catalog or request.repo} as {quant}"
    place = (*model.path, "catalog" if request.catalog else "hf")
    hint = f"{f'{near} Or let' if near else 'let'} `stackgen lock` read it from the hub, {WAYS_OUT}"
    return (error("facts/unknown-model", place, text, hint),)
