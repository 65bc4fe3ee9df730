"""config.yml as a value tree: what was said, and what decides memory, never a key that TabbyAPI calls an old one."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.linked import LinkedModel, LinkedService
from stackgen.domain.lock import home_of
from stackgen.domain.plan import KnownModel
from stackgen.domain.target_defaults import present
from stackgen.domain.units import GIB, MIB
from stackgen.engines.tabbyapi.effective import Case, case, facts_of, reserves, server
from stackgen.engines.tabbyapi.keys import ModelKeys

MODELS: Final = PurePosixPath("/models")
_NETWORK: Final = (
    "disable_auth",
    "disable_fetch_requests",
    "send_tracebacks",
    "api_servers",
    "sse_ping_interval",
)
_LOGGING: Final = ("log_prompt", "log_generation_params", "log_requests")
_SERVER: Final = ("inline_model_loading", "use_dummy_models", "dummy_model_names", "backend")
_DEVELOPER: Final = ("disable_request_streaming", "realtime_process_priority", "unsafe_launch")
_OWN: Final = frozenset({"draft_model", "gpu_split", "autosplit_reserve", "max_seq_len", "cache_size"})
_DRAFT: Final = ("draft_mode", "draft_cache_mode", "draft_num_tokens", "dynamic_draft", "ngram_match_min")
_DRAFT_ROPE: Final = ("draft_rope_scale", "draft_rope_alpha")


class Weights(NamedTuple):
    """A folder of weights as TabbyAPI names it."""

    directory: PurePosixPath
    name: str


def config(
    service: LinkedService, known: Mapping[str, KnownModel], volume: PurePosixPath | None
) -> dict[str, Any]:
    """The whole file; `volume` is the folder of the host that is mounted at /models."""
    keys = server(service)

    def section(names: tuple[str, ...]) -> dict[str, Any]:
        return present({name: getattr(keys, name) for name in names})

    return present(
        {
            "network": section(_NETWORK),
            "logging": section(_LOGGING),
            "model": {**section(_SERVER), **_model(service, known, volume)},
            "draft_model": _draft(service, known, volume),
            "sampling": section(("override_preset",)),
            "embeddings": _embeddings(service, known, volume),
            "memory": present(
                {
                    "sysmem_recurrent_cache": _mib(keys.sysmem_recurrent_cache),
                    "sysmem_kv_cache": _mib(keys.sysmem_kv_cache),
                    "cuda_malloc_async": keys.cuda_malloc_async,
                }
            ),
            "developer": section(_DEVELOPER),
        }
    )


def weights(service: LinkedService, model: LinkedModel, volume: PurePosixPath | None) -> Weights:
    """Where the program finds a model; several of one owner share a directory, which TabbyAPI lists."""
    homes = [_home(use.model, volume) for use in service.models]
    home = _home(model, volume)
    shared = {path.parent for path in homes}
    if home.is_relative_to(MODELS) and home in homes and len(shared) > 1:
        return Weights(MODELS, str(home.relative_to(MODELS)))
    return Weights(home.parent, home.name)


def _home(model: LinkedModel, volume: PurePosixPath | None) -> PurePosixPath:
    return defaults.seen_at(MODELS, home_of(model.request), volume)


def _model(
    service: LinkedService, known: Mapping[str, KnownModel], volume: PurePosixPath | None
) -> dict[str, Any]:
    if not service.models:
        return {"model_dir": str(MODELS)}
    this = case(service, service.models[0])
    facts, place = facts_of(this, known), weights(service, this.use.model, volume)
    plain = {name: getattr(this.keys, name) for name in ModelKeys.model_fields if name not in _OWN}
    shared = sorted(server(service).model_fields_set & (ModelKeys.model_fields.keys() - {"draft_model"}))
    return present(
        {
            "model_dir": str(place.directory),
            "model_name": place.name,
            # Models that are loaded later take these from here, and nothing else.
            "use_as_default": shared if len(service.models) > 1 else [],
            **plain,
            "max_seq_len": this.max_seq_len(facts),
            "cache_size": this.cache_size(facts),
            "cache_mode": _spelled(this.cache_mode),
            "chunk_size": this.chunk_size,
            "gpu_split": [_number(size, GIB) for size in this.keys.gpu_split or ()],
            "autosplit_reserve": _reserves(this),
        }
    )


def _reserves(this: Case) -> list[int | float]:
    """What is left free on each GPU, with what the stack reserves there; nothing where it has no effect."""
    gpus, keys = this.service.gpus, this.keys
    if len(gpus) < 2 or keys.gpu_split or keys.tensor_parallel:
        return []
    return [_number(size + gpu.reserve, MIB) for size, gpu in zip(reserves(this), gpus, strict=False)]


def _spelled(mode: str) -> str:
    return ", ".join(mode.split(","))


def _draft(
    service: LinkedService, known: Mapping[str, KnownModel], volume: PurePosixPath | None
) -> dict[str, Any]:
    draft = case(service, service.models[0]).draft if service.models else None
    if draft is None:
        return {}
    found = {name: getattr(draft, name) for name in (*_DRAFT, *_DRAFT_ROPE)}
    found["draft_gpu_split"] = [_number(size, GIB) for size in draft.draft_gpu_split]
    if draft.model is not None and draft.model in known:
        place = _home(LinkedModel(draft.model, known[draft.model].request), volume)
        found |= {"draft_model_dir": str(place.parent), "draft_model_name": place.name}
    return present(found)


def _embeddings(
    service: LinkedService, known: Mapping[str, KnownModel], volume: PurePosixPath | None
) -> dict[str, Any]:
    keys = server(service)
    name = keys.embedding_model
    if name is None or name not in known:
        return {}
    place = _home(LinkedModel(name, known[name].request), volume)
    return present(
        {
            "embedding_model_dir": str(place.parent),
            "embedding_model_name": place.name,
            "embeddings_device": keys.embeddings_device,
        }
    )


def _mib(size: int | None) -> int | None:
    return None if size is None else -(-size // MIB)


def _number(size: int, unit: int) -> int | float:
    """A size in TabbyAPI's units, which are binary whatever it calls them."""
    return size // unit if size % unit == 0 else round(size / unit, 3)
