"""Whether the image is one that runs llama-server on the GPUs of its service."""

import re
from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedService
from stackgen.domain.wording import one_of
from stackgen.engines.llama_server import image

_OTHER_PROGRAM: Final = re.compile(r"(?:^|/)llama\.cpp:(full|light)(?=-|$)")
"""Flavours of the project's own images whose entry point is not llama-server (.devops/*.Dockerfile, b11434)."""
_VENDORS: Final = {"cuda": {"nvidia"}, "rocm": {"amd"}, "cpu": set[str]()}
"""Vendors whose GPUs a backend can use; Vulkan is any vendor's."""


def other_entry_point(service: LinkedService) -> Iterator[Diagnostic]:
    """`full` runs a script that wants `--server` first, `light` runs llama-cli."""
    if service.image and (match := _OTHER_PROGRAM.search(service.image)):
        starts = "a script of many tools" if match[1] == "full" else "llama-cli"
        yield error(
            "llama-server/image-without-server",
            (*service.path, "image"),
            f"images of the flavour `{match[1]}` start {starts}, not llama-server",
            _instead(service)
            if service.gpus
            else f"write image: {service.image.replace(f':{match[1]}', ':server', 1)}",
        )


def backend_without_gpu(service: LinkedService) -> Iterator[Diagnostic]:
    """A build without the backend of its GPUs computes on the CPU, and says so in its log only."""
    backend = service.options.backend
    vendors = sorted({gpu.vendor for gpu in service.gpus})
    if backend not in _VENDORS or set(vendors) <= _VENDORS[backend] or any(other_entry_point(service)):
        return
    names = one_of([_SPELLED.get(vendor, vendor) for vendor in vendors], "and")
    built = "for the CPU alone" if backend == "cpu" else f"for {_SPELLED[backend]}"
    yield error(
        "llama-server/image-for-other-gpu",
        (*service.path, "options", "backend") if _stated(service) else (*service.path, "image"),
        f"this image was built {built}, so it leaves the GPUs of {names} unused and computes on the CPU",
        _instead(service),
    )


def vulkan_on_nvidia(service: LinkedService) -> Iterator[Diagnostic]:
    """It works, with the container's graphics capability; CUDA is faster and is what overheads were measured with."""
    if service.options.backend == "vulkan" and any(gpu.vendor == "nvidia" for gpu in service.gpus):
        yield warning(
            "llama-server/vulkan-on-nvidia",
            (*service.path, "options", "backend") if _stated(service) else (*service.path, "image"),
            "Vulkan on NVIDIA's GPUs is slower than CUDA, needs NVIDIA_DRIVER_CAPABILITIES to name `graphics`, and the "
            "driver's part of the plan is CUDA's",
            _instead(service),
        )


def _stated(service: LinkedService) -> bool:
    """Whether the image does not tell, so that somebody wrote `backend`."""
    return service.image is None or image.read(service.image).backend is None


def _instead(service: LinkedService) -> str:
    build = service.options.build
    choice = image.default(service.gpus, build)
    if {gpu.vendor for gpu in service.gpus} != {service.gpus[0].vendor}:
        choice = image.of_flavor("server-vulkan", build)
    return f"write image: {choice}"


_SPELLED: Final = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "cuda": "CUDA", "rocm": "ROCm"}
