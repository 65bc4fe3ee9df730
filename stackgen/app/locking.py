"""Making a lock: repositories and headers are asked for side by side, and all or nothing is written."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import TYPE_CHECKING, TypeVar

from stackgen.domain.diagnostic import Diagnostic, error, has_errors
from stackgen.domain.failure import Failure
from stackgen.domain.header import GgufHeader
from stackgen.domain.linked import LinkedModel, LinkedStack
from stackgen.domain.lock import Lock, LockedFile, LockEntry, Pin, TensorGroup
from stackgen.lock.freshness import compare
from stackgen.lock.select import Selection, select

if TYPE_CHECKING:
    from stackgen.domain.facts import ModelFacts
    from stackgen.formats.safetensors import Tensor
    from stackgen.io.hub import Hub, HubError, Parse, Repository

T = TypeVar("T")
CONNECTIONS = 24
"""At once: enough for every model of a stack, so that the slowest alone decides."""


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a lock has come; `tell` hears of each step."""

    tell: Callable[["Progress"], None] = lambda _: None
    total: int = 0
    reached: list[str] = field(default_factory=list)
    step: str = ""

    def at(self, step: str) -> None:
        """Something was learned."""
        self.step = step
        self.tell(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Relock:
    """A new lock, or what stands in its way; `reached` names what was resolved."""

    lock: Lock
    reached: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether nothing may be written."""
        return has_errors(self.diagnostics)


def read(stack_file: Path) -> Lock:
    """The lock beside a stack file; an empty one when there is none. Raises InputError and LockError."""
    from stackgen.io import lockfile

    path = lockfile.beside(stack_file)
    text = lockfile.read(path)
    if text is None:
        return Lock()
    from stackgen.lock import codec

    return codec.loads(text, path.name)


def write(stack_file: Path, lock: Lock) -> bool:
    """Write the lock beside a stack file; False when it says the same already. Raises InputError."""
    from stackgen.io import lockfile
    from stackgen.lock import codec

    return lockfile.write(lockfile.beside(stack_file), codec.dumps(lock))


def relock(
    stack: LinkedStack,
    old: Lock,
    *,
    upgrade: Sequence[str] | None = None,
    hub: "Hub | None" = None,
    progress: Progress | None = None,
) -> Relock:
    """The lock for a stack. Pins of unchanged requests stay, unless named in `upgrade` (empty: all).

    Raises Failure for an `upgrade` that names no locked model.
    """
    from stackgen.io.hub import Hub

    fresh = compare(stack.models, old)
    for name in upgrade or ():
        if name not in old.entries:
            raise Failure(
                f"there is no locked model {name!r}", f"locked are: {', '.join(old.entries) or 'none'}"
            )
    moving = set(upgrade or old.entries) if upgrade is not None else set()
    names = [n for n in stack.models if n in {*fresh.missing, *fresh.changed, *moving} - {*fresh.unused}]
    kept = {n: e for n, e in old.entries.items() if n not in names and n not in fresh.unused}
    progress = progress or Progress()
    progress.total = len(names)
    made = _Work(hub or Hub(), progress).resolve([stack.models[n] for n in names])
    entries = {n: e for n, (e, _) in made.items() if e is not None}
    return Relock(
        lock=Lock(entries=kept | entries),
        reached=tuple(entries),
        diagnostics=tuple(d for _, found in made.values() for d in found),
    )


class _Work:
    """The requests to the outside, each made once however many models need it."""

    def __init__(self, hub: "Hub", progress: Progress) -> None:
        self.hub, self.progress = hub, progress
        self.free = BoundedSemaphore(CONNECTIONS)
        self.repositories: dict[tuple[str, str | None], Future[Repository]] = {}
        self.gguf: dict[str, Future[GgufHeader]] = {}
        self.safetensors: dict[str, Future[tuple[Tensor, ...]]] = {}

    def resolve(
        self, models: Sequence[LinkedModel]
    ) -> dict[str, tuple[LockEntry | None, tuple[Diagnostic, ...]]]:
        """An entry for each model, or what stands in its way."""
        for model in models:
            key = _key(model)
            if key not in self.repositories:
                self.repositories[key] = self._submit(partial(self.hub.repository, *key))
        # No request waits for another: here is where all waiting is done.
        chosen = [self._select(model) for model in models]
        return {m.name: self._finish(m, *c) for m, c in zip(models, chosen, strict=True)}

    def _submit(self, work: Callable[[], T]) -> "Future[T]":
        """Does something beside everything else. In a daemon thread, for ^C must not wait for a slow hub."""
        future: Future[T] = Future()

        def run() -> None:
            with self.free:
                try:
                    future.set_result(work())
                except BaseException as exc:  # noqa: BLE001 - it is raised again where the result is asked for
                    future.set_exception(exc)

        Thread(target=run, daemon=True).start()
        return future

    def _select(self, model: LinkedModel) -> tuple["Repository | None", Selection]:
        from stackgen.io.hub import HubError

        try:
            repository = self.repositories[_key(model)].result()
        except HubError as exc:
            return None, Selection(diagnostics=(_finding(exc, model),))
        selection = select(model.request, repository.files, model.path)
        self.progress.at(f"{model.name}: {repository.repo} at {repository.commit[:12]}")
        if not selection.diagnostics:
            self._ask_for_headers(repository, selection)
        return repository, selection

    def _ask_for_headers(self, repository: "Repository", selection: Selection) -> None:
        for file in selection.files:
            key = _file_key(repository, file)
            if file.path.endswith(".gguf") and key not in self.gguf:
                self.gguf[key] = self._submit(partial(self._header, repository, file, _parse_gguf))
            if file.path.endswith(".safetensors") and key not in self.safetensors:
                self.safetensors[key] = self._submit(
                    partial(self._header, repository, file, _parse_safetensors)
                )

    def _header(self, repository: "Repository", file: LockedFile, parse: "Parse[T]") -> T:
        """A header from the cache, else from the hub. Raises HubError."""
        from stackgen.io import cache

        if header := cache.get(file.sha256, file.size, parse):
            return header
        fetched = self.hub.header(repository.repo, repository.commit, file, parse)
        cache.put(file.sha256, fetched.data)
        return fetched.header

    def _finish(
        self, model: LinkedModel, repository: "Repository | None", selection: Selection
    ) -> tuple[LockEntry | None, tuple[Diagnostic, ...]]:
        from stackgen.io.hub import HubError

        if repository is None or selection.diagnostics:
            return None, selection.diagnostics
        try:
            entry = LockEntry(
                request=replace(model.request, catalog=None),
                pin=Pin(
                    repo=repository.repo,
                    commit=repository.commit,
                    files=selection.files,
                    licence=repository.licence,
                    gated=repository.gated,
                ),
                facts=self._facts(repository, selection.weights),
                mmproj=self._projector(repository, selection.mmproj),
                tensors=self._tensors(repository, selection),
            )
        except HubError as exc:
            return None, (_finding(exc, model),)
        self.progress.reached.append(model.name)
        self.progress.at(f"{model.name}: locked")
        return entry, ()

    def _facts(self, repository: "Repository", files: Sequence[LockedFile]) -> "ModelFacts | None":
        """Facts of a model from the headers of all its files. Raises HubError."""
        from stackgen.facts.derive import FactsError, derive
        from stackgen.formats.gguf import FormatError, merge_shards
        from stackgen.io.hub import HubError

        if not files:
            return None
        headers = [self.gguf[_file_key(repository, f)].result() for f in files]
        try:
            return derive(merge_shards(headers))
        except (FormatError, FactsError) as exc:
            raise HubError("lock/header", f"{repository.repo}: {files[0].path}: {exc}") from exc

    def _projector(self, repository: "Repository", file: LockedFile | None) -> int | None:
        """Bytes of a projector's tensors. Raises HubError."""
        if file is None or not file.path.endswith(".gguf"):
            return None
        header = self.gguf[_file_key(repository, file)].result()
        return header.file_bytes - header.header_bytes

    def _tensors(self, repository: "Repository", selection: Selection) -> tuple[TensorGroup, ...]:
        """What the safetensors files hold, all together. Raises HubError."""
        from stackgen.formats.safetensors import groups

        files = [f for f in selection.files if f.path.endswith(".safetensors")]
        return groups(tuple(t for f in files for t in self.safetensors[_file_key(repository, f)].result()))


def _key(model: LinkedModel) -> tuple[str, str | None]:
    return model.request.repo or "", model.request.revision


def _file_key(repository: "Repository", file: LockedFile) -> str:
    """The same content is read once, wherever it stands."""
    return file.sha256 or f"{repository.repo}/{repository.commit}/{file.path}"


def _finding(exc: "HubError", model: LinkedModel) -> Diagnostic:
    return error(exc.kind, (*model.path, "hf"), str(exc), exc.hint)


def _parse_gguf(data: memoryview, file_size: int | None) -> GgufHeader:
    from stackgen.formats.gguf import parse_header

    return parse_header(data, file_size=file_size)


def _parse_safetensors(data: memoryview, file_size: int | None) -> "tuple[Tensor, ...]":
    from stackgen.formats.safetensors import parse_header

    return parse_header(data, file_size=file_size)
