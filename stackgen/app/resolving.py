"""Requests to lock entries: repositories and headers are asked for side by side, each once."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from threading import BoundedSemaphore, Thread
from typing import TypeVar

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.facts import ModelFacts
from stackgen.domain.header import GgufHeader
from stackgen.domain.linked import LinkedModel
from stackgen.domain.lock import LockedFile, LockEntry, Pin, TensorGroup
from stackgen.domain.units import show_size
from stackgen.facts.derive import derive
from stackgen.facts.keys import FactsError
from stackgen.formats import gguf, safetensors
from stackgen.formats.errors import FormatError
from stackgen.io import cache
from stackgen.io.hub import Hub, HubError, Parse, Repository
from stackgen.lock.select import Selection, select

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


class Resolver:
    """The requests to the outside, each made once however many models need it."""

    def __init__(self, hub: Hub, progress: Progress) -> None:
        self.hub, self.progress = hub, progress
        self.free = BoundedSemaphore(CONNECTIONS)
        self.repositories: dict[tuple[str, str | None], Future[Repository]] = {}
        self.gguf: dict[str, Future[GgufHeader]] = {}
        self.safetensors: dict[str, Future[tuple[safetensors.Tensor, ...]]] = {}

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

    def _submit(self, work: Callable[[], T]) -> Future[T]:
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

    def _select(self, model: LinkedModel) -> tuple[Repository | None, Selection]:
        try:
            repository = self.repositories[_key(model)].result()
        except HubError as exc:
            return None, Selection(diagnostics=(_finding(exc, model),))
        selection = select(model.request, repository.files, model.path)
        self.progress.at(f"{model.name}: {repository.repo} at {repository.commit[:12]}")
        if not selection.diagnostics:
            self._ask_for_headers(repository, selection)
        return repository, selection

    def _ask_for_headers(self, repository: Repository, selection: Selection) -> None:
        for file in selection.files:
            key = _file_key(repository, file)
            if file.path.endswith(".gguf") and key not in self.gguf:
                self.gguf[key] = self._submit(partial(self._header, repository, file, _gguf_parser()))
            if file.path.endswith(".safetensors") and key not in self.safetensors:
                self.safetensors[key] = self._submit(
                    partial(self._header, repository, file, _parse_safetensors)
                )

    def _header(self, repository: Repository, file: LockedFile, parse: Parse[T]) -> T:
        """A header from the cache, else from the hub. Raises HubError."""
        if header := cache.get(file.sha256, file.size, parse):
            return header
        fetched = self.hub.header(repository.repo, repository.commit, file, parse)
        cache.put(file.sha256, fetched.data)
        return fetched.header

    def _finish(
        self, model: LinkedModel, repository: Repository | None, selection: Selection
    ) -> tuple[LockEntry | None, tuple[Diagnostic, ...]]:
        if repository is None or selection.diagnostics:
            return None, selection.diagnostics
        try:
            entry = LockEntry(
                request=model.request._replace(catalog=None),
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

    def _facts(self, repository: Repository, files: Sequence[LockedFile]) -> ModelFacts | None:
        """Facts of a model from the headers of all its files. Raises HubError."""
        if not files or not files[0].path.endswith(".gguf"):
            return None
        headers = [self.gguf[_file_key(repository, f)].result() for f in files]
        for file, header in zip(files, headers, strict=True):
            if header.file_bytes > file.size:
                claim = (
                    f"its tensors take {show_size(header.file_bytes)}, the file has {show_size(file.size)}"
                )
                raise HubError("lock/header", f"{repository.repo}: {file.path}: {claim}")
        try:
            return derive(gguf.merge_shards(headers))
        except (FormatError, FactsError) as exc:
            raise HubError("lock/header", f"{repository.repo}: {files[0].path}: {exc}") from exc

    def _projector(self, repository: Repository, file: LockedFile | None) -> int | None:
        """Bytes of a projector's tensors. Raises HubError."""
        if file is None or not file.path.endswith(".gguf"):
            return None
        header = self.gguf[_file_key(repository, file)].result()
        return header.file_bytes - header.header_bytes

    def _tensors(self, repository: Repository, selection: Selection) -> tuple[TensorGroup, ...]:
        """What the safetensors files hold, all together. Raises HubError."""
        files = [f for f in selection.files if f.path.endswith(".safetensors")]
        return safetensors.groups(
            tuple(t for f in files for t in self.safetensors[_file_key(repository, f)].result())
        )


def _key(model: LinkedModel) -> tuple[str, str | None]:
    return model.request.repo or "", model.request.revision


def _file_key(repository: Repository, file: LockedFile) -> str:
    """The same content is read once, wherever it stands."""
    return file.sha256 or f"{repository.repo}/{repository.commit}/{file.path}"


def _finding(exc: HubError, model: LinkedModel) -> Diagnostic:
    return error(exc.kind, (*model.path, "hf"), str(exc), exc.hint)


def _gguf_parser() -> Parse[GgufHeader]:
    """A parser for one file, which remembers how far it came."""
    passed: gguf.Passed = {}

    def parse(data: memoryview, file_size: int | None) -> GgufHeader:
        return gguf.parse_header(data, file_size=file_size, passed=passed)

    return parse


def _parse_safetensors(data: memoryview, file_size: int | None) -> tuple[safetensors.Tensor, ...]:
    return safetensors.parse_header(data, file_size=file_size)
