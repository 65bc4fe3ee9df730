"""A model as Ollama keeps it: blobs named by their sha256, and a manifest per name (manifest/, v0.32).

The store is filled before Ollama starts, so no tag is pulled that may have moved since it was locked.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain.footprint import Basis
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.lock import CONFIG, PARTS, LockedFile, LockEntry, ollama_name
from stackgen.domain.plan import KnownModel
from stackgen.domain.workload import DownloadFile
from stackgen.engines.ollama.effective import Case, case
from stackgen.engines.ollama.options import ModelOptions

MANIFESTS: Final = PurePosixPath("manifests/registry.ollama.ai")
_KINDS: Final = {name: kind for kind, name in PARTS.items()}
_NOT_PARAMETERS: Final = frozenset({"alias", "system", "template"})
_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG: Final = "application/vnd.docker.container.image.v1+json"


def stored(service: LinkedService, use: LinkedUse, entry: LockEntry) -> Iterator[DownloadFile]:
    """The blobs of a model, then its manifest under each of its names."""
    known = KnownModel(
        request=entry.request,
        facts=entry.facts,
        basis=Basis.EXACT,
        mmproj_file=entry.mmproj_file.path if entry.mmproj_file else None,
    )
    this = case(service, use, known)
    own = _own_parts(this)
    parts = [(kind, f) for f in entry.pin.files if (kind := _kind(entry, f)) and kind not in own]
    config = next((f for f in entry.pin.files if f.path == CONFIG), None)
    for _, file in parts:
        yield entry.download(file, _blob(file.sha256 or ""))
    blobs = {kind: _text(f"{use.id}: {kind}", text) for kind, text in own.items()}
    made = entry.download(config, _blob(config.sha256 or "")) if config else _text("config", _config(entry))
    yield made
    yield from blobs.values()
    layers = [*(_layer(kind, f) for kind, f in parts), *(_layer(kind, f) for kind, f in blobs.items())]
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG, "digest": f"sha256:{made.sha256}", "size": made.size},
        "layers": layers,
    }
    for name in (use.id, *this.own.alias):
        owner, tag = ollama_name(name)
        yield _text(name, _json(manifest), MANIFESTS / owner / tag)


def parameters(this: Case) -> dict[str, Any]:
    """What the manifest sets for a model: what was written, and always what decides its memory."""
    written = this.own.model_dump(exclude_unset=True, exclude=set(_NOT_PARAMETERS))
    return {**written, "num_ctx": this.num_ctx, "num_batch": this.num_batch}


def _own_parts(this: Case) -> Mapping[str, str]:
    """The parts that stack.yaml writes; parameters add to those of the library, the others replace them."""
    own: ModelOptions = this.own
    texts = {"system": own.system, "template": own.template}
    return {
        **{kind: text for kind, text in texts.items() if text is not None},
        "own-params": _json(parameters(this)),
    }


def _kind(entry: LockEntry, file: LockedFile) -> str | None:
    """What a file is to Ollama; None for what it does not need."""
    if file == entry.mmproj_file:
        return "projector"
    if entry.request.ollama is None:
        return "model" if file.path.endswith(".gguf") else None
    stem, dot, ending = file.path.partition(".")
    name, _, number = stem.rpartition("-")
    return _KINDS.get(file.path) or (_KINDS.get(f"{name}{dot}{ending}") if number.isdigit() else None)


def _config(entry: LockEntry) -> str:
    """What Ollama shows of a model, and by which it knows families that need care."""
    facts = entry.facts
    family = facts.architecture if facts else ""
    return _json(
        {
            "model_format": "gguf",
            "model_family": family,
            "model_families": [family],
            "model_type": f"{facts.parameter_count / 1e9:.1f}B" if facts else "",
            "file_type": (entry.request.quant or "").upper(),
            "architecture": "amd64",
            "os": "linux",
        }
    )


def _layer(kind: str, file: LockedFile | DownloadFile) -> dict[str, Any]:
    kind = kind.removeprefix("own-")
    return {
        "mediaType": f"application/vnd.ollama.image.{kind}",
        "digest": f"sha256:{file.sha256}",
        "size": file.size,
    }


def _blob(digest: str) -> PurePosixPath:
    return PurePosixPath("blobs", f"sha256-{digest}")


def _text(path: str, text: str, target: PurePosixPath | None = None) -> DownloadFile:
    data = text.encode()
    digest = sha256(data).hexdigest()
    return DownloadFile(path=path, target=target or _blob(digest), size=len(data), sha256=digest, text=text)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
