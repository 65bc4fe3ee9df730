"""What the name of a container image says: llama.cpp's build number, and the kind of GPU it was built for."""

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, get_args

from stackgen.domain.linked import LinkedGpu
from stackgen.domain.llama import LATEST_BUILD

Backend = Literal["cuda", "rocm", "vulkan", "cpu"]

_REPOSITORY: Final = "ghcr.io/ggml-org/llama.cpp"
_BUILD: Final = re.compile(r"(?:^|[-_.])b(\d{4,6})(?=$|[-_.])")
_BACKEND: Final = re.compile(r"cuda|rocm|vulkan")
_OTHER: Final = re.compile(r"musa|intel|sycl|cann|openvino|s390x|metal")
_PLAIN: Final = re.compile(r"llama\.cpp:(server|full|light)")
_FLAVOR: Final[dict[str, str]] = {"nvidia": "server-cuda", "amd": "server-rocm"}


class ImageName(NamedTuple):
    """What could be read off; None = nothing."""

    build: int | None
    backend: Backend | None


def read(image: str) -> ImageName:
    """The build and backend that an image's tag names, as `server-cuda-b11434` does."""
    name, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    build = _BUILD.search(tag)
    return ImageName(int(build[1]) if build else None, _backend(f"{name}:{tag}", known=bool(build)))


def _backend(text: str, *, known: bool) -> Backend | None:
    if match := _BACKEND.search(text):
        return next(word for word in get_args(Backend) if word == match[0])
    # Only the project's own tags are known to name their backend; any other image may be built for anything.
    plain = known and text.startswith("llama.cpp:") and not _OTHER.search(text)
    return "cpu" if plain or _PLAIN.fullmatch(text) else None


def default(gpus: Sequence[LinkedGpu], build: int = LATEST_BUILD) -> str:
    """The image for a service that names none: the newest checked build, for the GPUs it has."""
    return of_flavor(_FLAVOR.get(gpus[0].vendor, "server-vulkan") if gpus else "server", build)


def of_flavor(flavor: str, build: int) -> str:
    """The project's own image of a flavour, such as server-cuda."""
    return f"{_REPOSITORY}:{flavor}-b{build}"
