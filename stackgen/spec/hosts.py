"""The hosts of a stack and their GPUs, with the built-in table of cards."""

import re
from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, YamlPath, error, nearest
from stackgen.domain.hosts import Gpu, Host
from stackgen.domain.linked import UNNAMED, LinkedGpu, LinkedHost
from stackgen.domain.units import show_size
from stackgen.spec.names import Scope, unknown

_MOST_GPUS: Final = 16
"""In one machine, as a hint writes them out."""


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
        name = gpu.model or ""
        message = f"there is no GPU `{name}`"
        yield error("link/unknown-gpu", place, message, _several(scope, name) or _near(scope, name))
    elif gpu.reserve >= capacity:
        message = f"`reserve` is {show_size(gpu.reserve)}, but the card has {show_size(capacity)}"
        yield error("link/gpu-reserve", (*path, "reserve"), message)
    elif gpu.driver is not None and (vendor := _vendor(scope, gpu)) != "intel":
        message = f"`driver` tells Intel's cards apart, and this one is of {vendor}"
        yield error("link/gpu-driver", (*path, "driver"), message, "leave it out", at_key=True)


def _several(scope: Scope, name: str) -> str | None:
    """The hint for `2x rtx-3090` and `rtx-3090 x2`."""
    match = re.fullmatch(r"(?:(\d+)\s*[x*])?\s*(.+?)\s*(?:[x*]\s*(\d+))?", name)
    card = scope.gpu(match[2]) if match else None
    count = int(match[1] or match[3] or 1) if match else 1
    if card is None or not 1 < count <= _MOST_GPUS:
        return None
    return f"write each card by itself: [{', '.join([card.name] * count)}]"


def _near(scope: Scope, name: str) -> str:
    """The hint for a name that is not in the table."""
    unsized = scope.gpu(re.sub(r"[- ]*\d+ ?gi?b$", "", name.lower()))
    near = unsized.name if unsized else nearest(name, scope.gpu_names())
    other = f"for a card that is not in the table: {{model: {name}, capacity: 23.5GiB}}"
    return f"did you mean `{near}`? F{other[1:]}" if near else other


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
            cpus=None if host.cpus is None else host.cpus * 1000,
            address=host.address,
            node=host.node,
            sharing=host.gpu_sharing,
            scheduled=scope.platforms[host.platform].scheduled(scope.stack.deploy),
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
        vendor=_vendor(scope, gpu),
        compute_capability=card.compute_capability if card else None,
        driver=gpu.driver or (card.driver if card else None),
    )


def _vendor(scope: Scope, gpu: Gpu) -> str:
    card = scope.gpu(gpu.model) if gpu.model else None
    return card.vendor if card else gpu.vendor or "nvidia"


def _long(gpu: str | Gpu) -> Gpu:
    return Gpu(model=gpu) if isinstance(gpu, str) else gpu


def _capacity(scope: Scope, gpu: Gpu) -> int | None:
    """Bytes as the driver offers them: declared, else from the table, else None."""
    if gpu.capacity is not None:
        return gpu.capacity
    card = scope.gpu(gpu.model) if gpu.model else None
    return None if card is None else card.capacity
