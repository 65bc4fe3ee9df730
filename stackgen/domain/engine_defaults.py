"""What many engines do alike, as small functions that an engine may borrow."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from stackgen.domain.contracts import Parsed
from stackgen.domain.diagnostic import Diagnostic, YamlPath, error
from stackgen.domain.footprint import Basis, Memory, Term, TermName
from stackgen.domain.linked import LinkedService, SecretKey
from stackgen.domain.plan import Demand, Limit, Plan, PlannedService, Resident
from stackgen.domain.stack import SecretValue, Strict
from stackgen.domain.units import show_size
from stackgen.domain.validation import validate

if TYPE_CHECKING:
    from stackgen.domain.workload import EnvValue, Mount

_SLOWEST_READ: Final = 100_000_000
"""Bytes in a second that weights come with from a share, where the network has 1 Gbit/s."""


def parse(model: type[Strict], data: Mapping[str, Any], path: YamlPath) -> Parsed:
    """The options as `model` types them; `path` leads to `data`."""
    value, found = validate(model, dict(data), path)
    return Parsed(value, tuple(found))


class NoOptions(Strict):
    """The options of something that has none."""


def no_models(engine: str, path: YamlPath) -> Parsed:
    """The answer of an engine that serves no models; `path` leads to the entry."""
    return Parsed(None, (error("spec/no-models", path, f"`{engine}` serves no models", at_key=True),))


def declared(size: tuple[int, int]) -> Memory:
    """Memory that the user states, as (low, high) in bytes."""
    low, high = size
    text = f"declared: {show_size(low)} to {show_size(high)}"
    best = (low + high) // 2
    return Memory(
        (Term(name=TermName.DECLARED, low=low, best=best, high=high, basis=Basis.DECLARED, formula=text),)
    )


def declared_demand(service: LinkedService, limit: int | Limit = Limit.ALL) -> Demand:
    """What each model declares, or the service for itself, on each of its GPUs; unknown when nobody does."""
    if not service.gpus:
        return Demand(residents=(), limit=limit)
    sizes = _declared_sizes(service)
    residents = (
        Resident(service=service.name, use=use, gpus={gpu.index: declared(size) for gpu in service.gpus})
        for use, size in sizes.items()
        if size is not None
    )
    return Demand(
        residents=tuple(residents),
        limit=limit,
        unknown=None in sizes.values(),
        watches=set(sizes.values()) == {(0, 0)},
    )


def _declared_sizes(service: LinkedService) -> dict[str | None, tuple[int, int] | None]:
    """(low, high) in bytes by model; the key None stands for the program itself when it has no models."""
    if not service.models:
        return {None: service.declared}
    return {use.id: use.model.declared or service.declared for use in service.models}


def declared_findings(service: LinkedService) -> Iterable[Diagnostic]:
    """A GPU without declared memory, or declared memory without a GPU."""
    if service.declared is not None and not service.gpus:
        yield error(
            "engine/memory-without-gpu",
            (*service.path, "vram"),
            f"`{service.name}` declares GPU memory, but has no GPU",
            "add `gpus: [0]`, or leave `vram` out",
        )
    for use, size in _declared_sizes(service).items():
        if service.gpus and size is None:
            yield error(
                "engine/undeclared-memory",
                (*service.path, "gpus") if use is None else (*service.path, "models", use),
                f"how much GPU memory `{use or service.name}` takes cannot be worked out from outside",
                "declare what nvidia-smi shows at its peak, as vram: {low: 4GiB, high: 6GiB}, "
                + (
                    "here; {low: 0B, high: 0B} for a program that only watches"
                    if use is None
                    else "in the model"
                ),
            )


def until_loaded(service: PlannedService, beside: int) -> int:
    """Seconds until all its models are loaded at worst: over a network of 1 Gbit/s, and what else takes time."""
    sizes = {
        use.model.name: known.disk_bytes or (known.facts.file_bytes if known.facts else 0)
        for use in service.linked.models
        if (known := service.known.get(use.model.name))
    }
    return beside + -(-sum(sizes.values()) // _SLOWEST_READ)


def own_user(service: LinkedService, image: str, user: str) -> str | None:
    """The user of an engine's usual image, said aloud, so that a new volume can be made his; None for other images."""
    if service.image is None:
        return user
    same = _repository(service.image)[-2:] == _repository(image)[-2:]
    return user if same and "distroless" not in service.image else None


def _repository(image: str) -> list[str]:
    """The parts of an image's name, without its tag and digest."""
    name, _, tag = image.partition("@")[0].rpartition(":")
    return (image.partition("@")[0] if not name or "/" in tag else name).split("/")


def mounts(
    service: LinkedService, targets: Mapping[str, PurePosixPath], read_only: frozenset[str] = frozenset()
) -> "tuple[Mount, ...]":
    """The volumes of a service where its engine expects them, in the order of `targets`."""
    from stackgen.domain.workload import Mount

    return tuple(
        Mount(volume=service.volumes[role], target=target, read_only=role in read_only)
        for role, target in targets.items()
        if role in service.volumes
    )


def weights_volume(service: LinkedService, plan: Plan) -> PurePosixPath | None:
    """Where the volume `models` of a service is on its host, when that is known."""
    volume = plan.stack.volumes.get(service.volumes.get("models", ""))
    return PurePosixPath(volume.path) if volume and volume.path else None


def seen_at(target: PurePosixPath, path: PurePosixPath, volume: PurePosixPath | None) -> PurePosixPath:
    """A path below a volume, or on the host, as a program sees it that has the volume at `target`.

    `volume` is the folder of the host that is mounted there; other absolute paths stay.
    """
    if volume is not None and path.is_relative_to(volume):
        path = path.relative_to(volume)
    return target / path


def environment(service: LinkedService, own: "Mapping[str, EnvValue]") -> "dict[str, EnvValue]":
    """What the engine sets, and the variables of stack.yaml, which win."""
    return {**own, **service.env}


def used_on_same_host(service: LinkedService, plan: Plan) -> tuple[str, ...]:
    """The services that it uses and that run beside it, by name."""
    used = {reference.service for references in service.uses.values() for reference in references}
    return tuple(sorted(name for name in used if plan.stack.services[name].host.name == service.host.name))


def secret_key(value: SecretValue) -> SecretKey:
    """A secret of stack.yaml in the words of a workload."""
    return SecretKey(value.secret.name, value.secret.key)
