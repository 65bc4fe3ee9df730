"""What targets that run containers with Podman say alike."""

from collections.abc import Iterator, Mapping
from typing import Final

from stackgen.domain.linked import Publication, bracketed
from stackgen.domain.target_defaults import VISIBLE_DEVICES, cuda_order, gpu_ids
from stackgen.domain.unit_host import UnitHost
from stackgen.domain.units import show_cpus
from stackgen.domain.workload import Workload

HEALTH_RETRIES: Final = 3
PULL: Final = 3600
"""Seconds for the download of an image."""
STOP_GRACE: Final = 15
"""Seconds that Podman needs itself after the program had its own."""


def listen(publish: Publication) -> str:
    """Where a port is published: Podman takes a port alone for every address, and `[::]` for every one of IPv6."""
    everywhere = publish.everywhere and publish.address != "::"
    return f"{publish.port}" if everywhere else f"{bracketed(publish.address)}:{publish.port}"


def own_environment(workload: Workload) -> dict[str, str]:
    """What a container must be told of its GPUs; CDI has left out the NVIDIA cards of others."""
    own: Mapping[str, str] = cuda_order(workload.gpus)
    # The device nodes of AMD are for all cards, so only the runtime can leave some out.
    amd = gpu_ids(workload.gpus, "amd")
    return {**own, **({VISIBLE_DEVICES["amd"]: ",".join(amd)} if amd else {})}


def limits(workload: Workload) -> Iterator[str]:
    """What a container gets at most, as options of `podman run`."""
    if workload.cpu_limit is not None:
        yield f"--cpus={show_cpus(workload.cpu_limit)}"
    if workload.memory_limit is not None:
        yield f"--memory={workload.memory_limit}b"


def capabilities(workload: Workload, host: UnitHost) -> list[str]:
    """The capabilities that a container keeps."""
    # A folder of the host may belong to anybody; without this, root in the container could not write to it.
    writes = any(host.folder_of(mount.volume) and not mount.read_only for mount in workload.mounts)
    own = ["DAC_OVERRIDE"] if writes and workload.user is None else []
    return sorted({*own, *workload.capabilities})
