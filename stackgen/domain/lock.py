"""What stack.lock holds: for each requested model its pin and the facts that planning needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from stackgen.domain.facts import ModelFacts
from stackgen.domain.linked import ModelRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedFile:
    """One file to download: its path in the repository, its bytes, and the hash that proves them.

    `sha256` is None for small files that a hub keeps in git; `oid` is then git's own hash of them.
    """

    path: str
    size: int
    sha256: str | None = None
    oid: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """Where the bytes come from, for good."""

    repo: str | None = None
    commit: str | None = None
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

    def target(self, file: LockedFile) -> PurePosixPath:
        """Where a file goes below the volume: as in the repository, or into the folder asked for."""
        name = file.path.rpartition("/")[2]
        for folder, wanted in self.request.files:
            if wanted in (file.path, name):
                return PurePosixPath(folder, name)
        return PurePosixPath(self.pin.repo or "", file.path)

    @property
    def mmproj_file(self) -> LockedFile | None:
        """The projector among the files."""
        wanted = self.request.mmproj
        return next((f for f in self.pin.files if wanted in (f.path, f.path.rpartition("/")[2])), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """All entries, by the model's name in stack.yaml."""

    entries: Mapping[str, LockEntry] = field(default_factory=dict)
