"""The hosts of a stack and their GPUs, with the built-in table of cards."""

from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, YamlPath, error
from stackgen.domain.linked import LinkedGpu, LinkedHost
from stackgen.domain.stack import Gpu, Host
from stackgen.domain.units import show_size
from stackgen.spec.names import Scope, unknown

UNNAMED: Final = "unnamed"
"""The model of a card that only has a capacity."""


def check(scope: Scope) -> Iterator[Diagnostic]:
    """What is wrong with the hosts."""
    for name, host in scope.stack.hosts.items():
        path: YamlPath = ("hosts", name)
        if host.platform not in scope.platforms:
            yield unknown(
                "link/unknown-platform", "platform", (*path, "platform"), host.platform, scope.platforms
            )
        for index, gpu in enumerate(host.gpus):
            yield from _check_gpu(scope, gpu, (*path, "gpus", index))
        yield from _same_uuid(host, path)


def _check_gpu(scope: Scope, written: str | Gpu, path: YamlPath) -> Iterator[Diagnostic]:
    gpu = _long(written)
    capacity = _capacity(scope, gpu)
    if capacity is None:
        place = path if isinstance(written, str) else (*path, "model")
        hint = f"for a card that is not in the table: {{model: {gpu.model}, capacity: 23.5GiB}}"
        yield unknown("link/unknown-gpu", "GPU", place, gpu.model or "", scope.gpu_names(), hint)
    elif gpu.reserve >= capacity:
        message = f"`reserve` is {show_size(gpu.reserve)}, but the card has {show_size(capacity)}"
        yield error("link/gpu-reserve", (*path, "reserve"), message)


def _same_uuid(host: Host, path: YamlPath) -> Iterator[Diagnostic]:
    first: dict[str, int] = {}
    for index, gpu in enumerate(host.gpus):
        uuid = _long(gpu).uuid
        if uuid is not None and first.setdefault(uuid, index) != index:
            place = (*path, "gpus", index, "uuid")
            related = (((*path, "gpus", first[uuid], "uuid"), "the other one"),)
            yield error("link/gpu-twice", place, "two GPUs have the same `uuid`", related=related)


def build(scope: Scope) -> dict[str, LinkedHost]:
    """The hosts, when nothing is wrong with them."""
    return {
        name: LinkedHost(
            name=name,
            platform=host.platform,
            gpus=tuple(_link_gpu(scope, index, _long(gpu)) for index, gpu in enumerate(host.gpus)),
            ram=host.ram,
            address=host.address,
        )
        for name, host in scope.stack.hosts.items()
    }


def _link_gpu(scope: Scope, index: int, gpu: Gpu) -> LinkedGpu:
    card = scope.gpu(gpu.model) if gpu.model else None
    return LinkedGpu(
        index=index,
        model=card.name if card else gpu.model or UNNAMED,
        capacity=_capacity(scope, gpu) or 0,
        reserve=gpu.reserve,
        uuid=gpu.uuid,
        vendor=card.vendor if card else "nvidia",
        compute_capability=card.compute_capability if card else None,
    )


def _long(gpu: str | Gpu) -> Gpu:
    return Gpu(model=gpu) if isinstance(gpu, str) else gpu


def _capacity(scope: Scope, gpu: Gpu) -> int | None:
    """Bytes as the driver offers them: declared, else from the table, else None."""
    if gpu.capacity is not None:
        return gpu.capacity
    card = scope.gpu(gpu.model) if gpu.model else None
    return None if card is None else card.capacity
