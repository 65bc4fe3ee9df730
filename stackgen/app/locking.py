"""Making a lock: repositories and headers are asked for side by side, and all or nothing is written."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from stackgen.domain.diagnostic import Diagnostic, error, has_errors
from stackgen.domain.facts import ModelFacts
from stackgen.domain.header import GgufHeader
from stackgen.domain.linked import LinkedModel, LinkedStack
from stackgen.domain.lock import Lock, LockedFile, LockEntry, Pin
from stackgen.io.hub import HubError, Repository
from stackgen.lock.freshness import compare
from stackgen.lock.select import Selection, select

WORKERS = 24
"""Connections at once: enough for every model of a stack, so that the slowest alone decides."""

Progress = Callable[[str], None]
"""Told what was just reached."""


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


def relock(stack: LinkedStack, old: Lock, upgrade: Sequence[str] | None, tell: Progress) -> Relock:
    """The lock for a stack. Pins of unchanged requests stay, unless named in `upgrade` (empty: all)."""
    fresh = compare(stack.models, old)
    moving = set(old.entries) & set(upgrade or old.entries) if upgrade is not None else set()
    names = [n for n in stack.models if n in {*fresh.missing, *fresh.changed, *moving}]
    kept = {
        n: e for n, e in old.entries.items() if n in stack.models and n not in names and n not in fresh.unused
    }
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        made = _Work(pool, tell).resolve([stack.models[n] for n in names])
    entries = {n: e for n, (e, _) in made.items() if e is not None}
    return Relock(
        lock=Lock(entries=kept | entries),
        reached=tuple(entries),
        diagnostics=tuple(d for _, found in made.values() for d in found),
    )


class _Work:
    """The requests to the outside, each made once however many models need it."""

    def __init__(self, pool: ThreadPoolExecutor, tell: Progress) -> None:
        self.pool, self.tell = pool, tell
        self.repositories: dict[tuple[str, str | None], Future[Repository]] = {}
        self.headers: dict[tuple[str, str, str], Future[GgufHeader]] = {}

    def resolve(
        self, models: Sequence[LinkedModel]
    ) -> dict[str, tuple[LockEntry | None, tuple[Diagnostic, ...]]]:
        """An entry for each model, or what stands in its way."""
        from stackgen.io import hub

        for model in models:
            key = _key(model)
            if key not in self.repositories:
                self.repositories[key] = self.pool.submit(hub.repository, *key)
        # Nothing in the pool waits for the pool: here is where all waiting is done.
        chosen = [self._select(model) for model in models]
        return {m.name: self._finish(m, *c) for m, c in zip(models, chosen, strict=True)}

    def _select(self, model: LinkedModel) -> tuple[Repository | None, Selection]:
        try:
            repository = self.repositories[_key(model)].result()
        except HubError as exc:
            return None, Selection(diagnostics=(_finding(exc, model),))
        selection = select(model.request, repository.files, model.path)
        self.tell(f"{model.name}: {repository.repo} at {repository.commit[:12]}")
        for file in selection.files:
            key = (repository.repo, repository.commit, file.path)
            if file.path.endswith(".gguf") and key not in self.headers:
                self.headers[key] = self.pool.submit(_read_header, repository, file)
        return repository, selection

    def _finish(
        self, model: LinkedModel, repository: Repository | None, selection: Selection
    ) -> tuple[LockEntry | None, tuple[Diagnostic, ...]]:
        if repository is None or selection.diagnostics:
            return None, selection.diagnostics
        try:
            facts = self._facts(repository, selection.weights)
            mmproj = self._facts(repository, (selection.mmproj,) if selection.mmproj else ())
        except HubError as exc:
            return None, (_finding(exc, model),)
        pin = Pin(
            repo=repository.repo,
            commit=repository.commit,
            files=selection.files,
            licence=repository.licence,
            gated=repository.gated,
        )
        self.tell(f"{model.name}: locked")
        request = replace(model.request, catalog=None)
        return LockEntry(request=request, pin=pin, facts=facts, mmproj=mmproj), ()

    def _facts(self, repository: Repository, files: Sequence[LockedFile]) -> ModelFacts | None:
        """Facts of a model from the headers of all its files. Raises HubError."""
        from stackgen.facts.derive import FactsError, derive
        from stackgen.formats.gguf import FormatError, merge_shards

        if not files or not files[0].path.endswith(".gguf"):
            return None
        headers = [self.headers[(repository.repo, repository.commit, f.path)].result() for f in files]
        try:
            return derive(merge_shards(headers) if len(headers) > 1 else headers[0])
        except (FormatError, FactsError) as exc:
            raise HubError("lock/header", f"{repository.repo}: {files[0].path}: {exc}") from exc


def _key(model: LinkedModel) -> tuple[str, str | None]:
    return model.request.repo or "", model.request.revision


def _finding(exc: HubError, model: LinkedModel) -> Diagnostic:
    return error(exc.kind, (*model.path, "hf"), str(exc), exc.hint)


def _read_header(repository: Repository, file: LockedFile) -> GgufHeader:
    """A header from the cache, else from the hub. Raises HubError."""
    from stackgen.io import cache, hub

    if header := cache.get(file.sha256, file.size):
        return header
    fetched = hub.gguf_header(repository.repo, repository.commit, file)
    cache.put(file.sha256, fetched.data)
    return fetched.header
