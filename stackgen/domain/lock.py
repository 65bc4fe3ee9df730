"""What stack.lock holds: for each requested model its pin and the facts that planning needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

from stackgen.domain.facts import ModelFacts
from stackgen.domain.linked import ModelRequest

if TYPE_CHECKING:
    from stackgen.domain.witness import Statement
    from stackgen.domain.workload import DownloadFile

WEIGHTS: Final = "model.gguf"
PROJECTOR: Final = "projector.gguf"
CONFIG: Final = "config.json"
PARTS: Final[Mapping[str, str]] = {
    "model": WEIGHTS,
    "projector": PROJECTOR,
    "template": "template",
    "params": "params.json",
    "system": "system",
    "license": "license",
    "messages": "messages.json",
}
"""How the nameless parts of a registry's models are called, by their kind; CONFIG beside them is for all."""


class LockedFile(NamedTuple):
    """One file to download: its path in the repository, its bytes, and the hash that proves them.

    `sha256` is None for small files that a hub keeps in git; `oid` is then git's own hash of them. It is None
    as well for files that are only read where they are; `header` is then the sha256 of their header.
    """

    path: str
    size: int
    sha256: str | None = None
    oid: str | None = None
    header: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """Where the bytes come from, for good.

    `repo` and `commit` are a repository's, or a model's in a registry and the sha256 of its manifest; `etag` is
    what the server of a plain address calls the file's version.
    """

    repo: str | None = None
    commit: str | None = None
    registry: str | None = None
    etag: str | None = None
    files: tuple[LockedFile, ...] = ()
    licence: str | None = None
    gated: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(f.size for f in self.files)


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorGroup:
    """Tensors of one type that differ only in the number of their layer, `*` in `name`; `size` in bytes."""

    name: str
    type: str
    count: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LockEntry:
    """A request beside its pin, so that a review sees both."""

    request: ModelRequest
    pin: Pin
    facts: ModelFacts | None = None
    """None for weights without a memory model, such as those of a diffusion program."""
    mmproj: int | None = None
    """Bytes of the projector's tensors."""
    tensors: tuple[TensorGroup, ...] = ()
    """What the safetensors files hold."""
    measured: "tuple[Statement, ...]" = ()
    """What llama.cpp itself said of these files, each for its own arguments."""

    def target(self, file: LockedFile) -> PurePosixPath:
        """Where a file goes below the volume: as in the repository, or into the folder asked for."""
        name = file.path.rpartition("/")[2]
        for folder, wanted in self.request.files:
            if wanted in (file.path, name):
                return PurePosixPath(folder, name)
        return PurePosixPath(folder_of(self.request), file.path)

    def url(self, file: LockedFile) -> str | None:
        """The address of a file that is not on the hub."""
        if self.pin.registry is not None:
            return f"{self.pin.registry}/v2/{self.pin.repo}/blobs/sha256:{file.sha256}"
        return self.request.url

    def download(self, file: LockedFile, target: PurePosixPath) -> "DownloadFile":
        """How to get a file, to be kept at `target` below the volume."""
        from stackgen.domain.workload import DownloadFile

        return DownloadFile(
            path=file.path,
            target=target,
            size=file.size,
            sha256=file.sha256,
            oid=file.oid,
            url=self.url(file),
        )

    @property
    def mmproj_file(self) -> LockedFile | None:
        """The projector among the files."""
        wanted = PROJECTOR if self.request.ollama else self.request.mmproj
        return next((f for f in self.pin.files if wanted in (f.path, f.path.rpartition("/")[2])), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """All entries, by the model's name in stack.yaml."""

    entries: Mapping[str, LockEntry] = field(default_factory=dict)


def ollama_name(text: str) -> tuple[str, str]:
    """(`owner/name`, tag) of a model as Ollama writes it: the library is an owner, too."""
    name, _, tag = text.partition(":")
    return (name if "/" in name else f"library/{name}"), tag or "latest"


def web_path(url: str) -> str:
    """`host/path` of an address."""
    return url.partition("://")[2].partition("#")[0].partition("?")[0]


def home_of(request: ModelRequest) -> PurePosixPath:
    """Where the files of a request are: below the volume of the weights, or absolute on the host."""
    return PurePosixPath(request.path) if request.path is not None else folder_of(request)


def folder_of(request: ModelRequest) -> PurePosixPath:
    """Where the files of a request go below the volume."""
    if request.ollama is not None:
        return PurePosixPath("ollama", *ollama_name(request.ollama))
    repo = request.repo or ""
    if request.revision and not (request.quant or request.file or request.files):
        # Branches of one repository hold the same model in several sizes, under the same names.
        return PurePosixPath(f"{repo}-{request.revision.replace('/', '-')}")
    return PurePosixPath(repo)
