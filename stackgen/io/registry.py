"""Ollama's registry: the parts of a model by their digests. It speaks the protocol of container registries."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import CONFIG, PARTS, WEIGHTS, LockedFile, Pin, ollama_name
from stackgen.io.client import Answer, Client, FetchError, Patience
from stackgen.io.headers import Fetched, Parse, read_header, read_json

T = TypeVar("T")

REGISTRY: Final = "https://registry.ollama.ai"
_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_PART: Final = "application/vnd.ollama.image."
MAX_PARTS: Final = 100
"""Models have about six."""
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")


class _RegistryClient(Client):
    who = "the registry"
    doubt = "is OLLAMA_REGISTRY right, and is there no proxy in between that answers for it?"

    def refuse(self, answer: Any, about: str) -> None:
        """Raises FetchError; a registry says little more than that a name is unknown."""
        if answer.status_code in (401, 404):
            raise FetchError("lock/no-such-repository", f"the registry has no {about}", "check name and tag")
        super().refuse(answer, about)


class Registry:
    """One registry: by default Ollama's own, or the one that OLLAMA_REGISTRY names."""

    def __init__(self, address: str | None = None, patience: Patience | None = None) -> None:
        self._address = (address or os.environ.get("OLLAMA_REGISTRY") or REGISTRY).rstrip("/")
        self._client = _RegistryClient(patience)

    def find(self, request: ModelRequest) -> Pin:
        """The parts of a model; one request. Raises FetchError."""
        name, tag = ollama_name(request.ollama or "")
        url = f"{self._address}/v2/{name}/manifests/{tag}"
        about = f"model {request.ollama}"

        def read(answer: Answer) -> Pin:
            data, body = read_json(answer, about, self._client)
            return Pin(
                registry=self._address,
                repo=name,
                commit=hashlib.sha256(body).hexdigest(),
                files=tuple(_files(data, about)),
            )

        return self._client.ask(url, about, lambda: {"Accept": _MANIFEST}, read)

    def header(self, pin: Pin, file: LockedFile, parse: Parse[T]) -> Fetched[T]:
        """The header of a part. Raises FetchError."""
        url = f"{self._address}/v2/{pin.repo}/blobs/sha256:{file.sha256}"
        return read_header(self._client, url, f"{pin.repo}: {file.path}", file, parse)


def _files(manifest: Mapping[str, Any], about: str) -> Iterator[LockedFile]:
    """The parts of a manifest, of which nothing is trusted. Raises FetchError."""
    layers = manifest.get("layers")
    found: dict[str, LockedFile] = {}
    if isinstance(layers, list) and len(layers) > MAX_PARTS:
        raise FetchError("lock/hub", f"{about}: the registry's manifest lists {len(layers)} parts")
    for layer in layers if isinstance(layers, list) else ():
        part = _named(layer, "")
        kind = layer.get("mediaType") if part else None
        if part is None or not isinstance(kind, str):
            raise FetchError(
                "lock/hub", f"{about}: the registry's manifest has a part without size or digest"
            )
        name = PARTS.get(kind.removeprefix(_PART))
        if name is None:
            text = f"{about} has a part of type {kind!r:.90}, which only Ollama can use"
            raise FetchError("lock/no-weights", text, "take the GGUF file of its base model")
        stem, dot, ending = name.partition(".")
        same = sum(path.startswith(stem) for path in found)
        path = f"{stem}-{same + 1}{dot}{ending}" if same else name
        found[path] = part._replace(path=path)
    if WEIGHTS not in found:
        raise FetchError("lock/no-weights", f"{about} has no GGUF file")
    yield from found.values()
    if config := _named(manifest.get("config"), CONFIG):
        yield config


def _named(part: object, path: str) -> LockedFile | None:
    """A part under a name of our own; None when it has no size or no digest."""
    size, digest = (part.get("size"), part.get("digest")) if isinstance(part, dict) else (None, None)
    match = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    return (
        LockedFile(path=path, size=size, sha256=match[1])
        if match and type(size) is int and size >= 0
        else None
    )
