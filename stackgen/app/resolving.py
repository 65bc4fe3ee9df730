"""Requests to lock entries: listings and headers are asked for side by side, each once."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, Final, Protocol, TypeVar

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.facts import ModelFacts
from stackgen.domain.header import GgufHeader
from stackgen.domain.linked import LinkedModel, ModelRequest
from stackgen.domain.lock import LockedFile, LockEntry, Pin
from stackgen.domain.units import MIB, show_size
from stackgen.facts import hf
from stackgen.facts.derive import derive
from stackgen.facts.keys import FactsError
from stackgen.formats import gguf, safetensors
from stackgen.formats.errors import FormatError, Truncated
from stackgen.io import cache
from stackgen.io.client import FetchError
from stackgen.io.headers import Fetched, Parse
from stackgen.lock.select import Selection, select

K = TypeVar("K")
T = TypeVar("T")
CONNECTIONS = 24
"""At once: enough for every model of a stack, so that the slowest alone decides."""
MAX_CONFIG: Final = 4 * MIB
"""Those in use have some KiB."""


class Source(Protocol):
    """Where models come from."""

    def find(self, request: ModelRequest) -> Pin:
        """All files of what a request names. Raises FetchError."""
        ...

    def header(self, pin: Pin, file: LockedFile, parse: Parse[T]) -> Fetched[T]:
        """The header of one of them. Raises FetchError."""
        ...


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

    def __init__(self, source_of: Callable[[ModelRequest], Source], progress: Progress) -> None:
        self.source_of, self.progress = source_of, progress
        self.free = BoundedSemaphore(CONNECTIONS)
        self.mutex = Lock()
        self.pins: dict[tuple[str | None, ...], Future[Pin]] = {}
        self.gguf: dict[str, Future[GgufHeader]] = {}
        self.safetensors: dict[str, Future[tuple[safetensors.Tensor, ...]]] = {}
        self.configs: dict[str, Future[dict[str, Any]]] = {}

    def resolve(
        self, models: Sequence[LinkedModel]
    ) -> dict[str, tuple[LockEntry | None, tuple[Diagnostic, ...]]]:
        """An entry for each model, or what stands in its way."""
        chosen = [_beside(partial(self._choose, model, self.source_of(model.request))) for model in models]
        return {m.name: self._finish(m, c) for m, c in zip(models, chosen, strict=True)}

    def _once(self, running: dict[K, Future[T]], key: K, work: Callable[[], T]) -> Future[T]:
        """Asks for something beside everything else, unless somebody did already."""

        def asked() -> T:
            with self.free:
                return work()

        with self.mutex:
            if key not in running:
                running[key] = _beside(asked)
            return running[key]

    def _choose(self, model: LinkedModel, source: Source) -> tuple[Pin, Selection]:
        """The files that a model needs, whose headers are on their way. Raises FetchError."""
        request = model.request
        key = (request.repo, request.revision, request.ollama, request.url, request.path)
        pin = self._once(self.pins, key, partial(source.find, request)).result()
        selection = select(request, pin.files, model.path)
        self.progress.at(f"{model.name}: {' at '.join(filter(None, (pin.repo, (pin.commit or '')[:12])))}")
        for file in () if selection.diagnostics else selection.files:
            read = partial(self._header, source, pin, file)
            if file.path.endswith(".gguf"):
                self._once(self.gguf, _key(pin, file), partial(read, _gguf_parser()))
            if file.path.endswith(".safetensors"):
                self._once(self.safetensors, _key(pin, file), partial(read, _parse_safetensors))
            if file is _config_of(selection):
                self._once(self.configs, _key(pin, file), partial(read, _parse_config))
        return pin, selection

    def _header(self, source: Source, pin: Pin, file: LockedFile, parse: Parse[T]) -> T:
        """A header from the cache, else from its source. Raises FetchError."""
        # The hash of a plain address is what somebody claims, and nothing of the answer proves it.
        sha256 = file.sha256 if pin.repo else None
        if header := cache.get(sha256, file.size, parse):
            return header
        fetched = source.header(pin, file, parse)
        cache.put(sha256, fetched.data)
        return fetched.header

    def _finish(
        self, model: LinkedModel, chosen: Future[tuple[Pin, Selection]]
    ) -> tuple[LockEntry | None, tuple[Diagnostic, ...]]:
        try:
            pin, selection = chosen.result()
            if selection.diagnostics:
                return None, selection.diagnostics
            facts, sees = self._snapshot(pin, selection)
            entry = LockEntry(
                request=model.request._replace(catalog=None),
                pin=replace(pin, files=selection.files),
                facts=facts or self._facts(pin, selection.weights),
                mmproj=sees or self._projector(pin, selection.mmproj),
                tensors=safetensors.groups(self._tensors(pin, selection)),
            )
        except FetchError as exc:
            return None, (error(exc.kind, (*model.path, model.request.source[0]), str(exc), exc.hint),)
        self.progress.reached.append(model.name)
        self.progress.at(f"{model.name}: locked")
        return entry, ()

    def _facts(self, pin: Pin, files: Sequence[LockedFile]) -> ModelFacts | None:
        """Facts of a model from the headers of all its files. Raises FetchError."""
        if not files or not files[0].path.endswith(".gguf"):
            return None
        headers = [self.gguf[_key(pin, f)].result() for f in files]
        for file, header in zip(files, headers, strict=True):
            if header.file_bytes > file.size:
                claim = (
                    f"its tensors take {show_size(header.file_bytes)}, the file has {show_size(file.size)}"
                )
                raise FetchError("lock/header", f"{_about(pin, file)}: {claim}")
        try:
            return derive(gguf.merge_shards(headers))
        except (FormatError, FactsError) as exc:
            raise FetchError("lock/header", f"{_about(pin, files[0])}: {exc}") from exc

    def _projector(self, pin: Pin, file: LockedFile | None) -> int | None:
        """Bytes of a projector's tensors. Raises FetchError."""
        if file is None or not file.path.endswith(".gguf"):
            return None
        header = self.gguf[_key(pin, file)].result()
        return header.file_bytes - header.header_bytes

    def _snapshot(self, pin: Pin, selection: Selection) -> tuple[ModelFacts | None, int | None]:
        """Facts of a repository of safetensors, and the bytes of its parts that see or hear. Raises FetchError.

        None for what is no language model, such as a diffusion program's.
        """
        file = _config_of(selection)
        if file is None:
            return None, None
        try:
            facts, other = hf.derive(self.configs[_key(pin, file)].result(), self._tensors(pin, selection))
        except FactsError:
            return None, None
        return facts, other or None

    def _tensors(self, pin: Pin, selection: Selection) -> tuple[safetensors.Tensor, ...]:
        """What the safetensors files hold, all together. Raises FetchError."""
        files = [f for f in selection.files if f.path.endswith(".safetensors")]
        return tuple(t for f in files for t in self.safetensors[_key(pin, f)].result())


def _beside(work: Callable[[], T]) -> Future[T]:
    """Does something beside everything else. In a daemon thread, for ^C must not wait for a slow server."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as exc:  # noqa: BLE001 - it is raised again where the result is asked for
            future.set_exception(exc)

    Thread(target=run, daemon=True).start()
    return future


def _key(pin: Pin, file: LockedFile) -> str:
    """The same content is read once, wherever it stands."""
    return (pin.repo and file.sha256) or f"{pin.repo}/{pin.commit}/{file.path}"


def _about(pin: Pin, file: LockedFile) -> str:
    return f"{pin.repo}: {file.path}" if pin.repo else file.path


def _gguf_parser() -> Parse[GgufHeader]:
    """A parser for one file, which remembers how far it came."""
    passed: gguf.Passed = {}

    def parse(data: memoryview, file_size: int | None) -> GgufHeader:
        return gguf.parse_header(data, file_size=file_size, passed=passed)

    return parse


def _config_of(selection: Selection) -> LockedFile | None:
    """The file that describes a whole repository of safetensors; where single files are asked for, there is none."""
    here = (f for f in selection.others if f.path == "config.json" or _on_disk(f, "/config.json"))
    return None if selection.weights else next(here, None)


def _on_disk(file: LockedFile, end: str) -> bool:
    return file.path.startswith("/") and file.path.endswith(end)


def _parse_config(data: memoryview, file_size: int | None) -> dict[str, Any]:
    """All of a JSON file. Raises FormatError, or Truncated until all of it is there."""
    size = file_size or len(data)
    if size > MAX_CONFIG:
        raise FormatError(
            f"a config.json of {show_size(size)}; more than {show_size(MAX_CONFIG)} is taken for damage"
        )
    if len(data) < size:
        raise Truncated(size)
    try:
        config = json.loads(bytes(data))
    except (ValueError, RecursionError) as exc:
        raise FormatError("not JSON") from exc
    if not isinstance(config, dict):
        raise FormatError("not a JSON object")
    return config


def _parse_safetensors(data: memoryview, file_size: int | None) -> tuple[safetensors.Tensor, ...]:
    return safetensors.parse_header(data, file_size=file_size)
