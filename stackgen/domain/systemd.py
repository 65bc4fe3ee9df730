"""What a target that renders systemd units says of a service, whatever it writes the units in.

Settings are values of a unit file: texts, numbers, booleans, `UnitWords`, and lists that repeat a key.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Final, Literal, NamedTuple

from stackgen.domain.document import UnitWords
from stackgen.domain.target_defaults import (
    device_nodes,
    gpu_ids,
    health_url,
    of_vendor,
    present,
    reload_command,
)
from stackgen.domain.unit_host import UnitHost
from stackgen.domain.units import MIB
from stackgen.domain.workload import Health, Workload

GATE: Final = "gate.sh"
"""The template of the program that looks whether a service could run; each target renders it."""
GATE_WAIT: Final = 60
"""Seconds that the gate gives the driver, the volumes and those who leave a GPU."""
RESTART: Final = 30
BURST: Final = 5
INTERVAL: Final = 600
"""More than `BURST` times a full wait and a restart, or systemd would never give up."""
DOWNLOAD_ATTEMPTS: Final = 60
"""Without a byte for about an hour. Those who wait fail together with the download, and are not tried again."""

_DEVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "nvidia": (
        "char-nvidiactl rw",
        "char-nvidia-caps rw",
        "char-nvidia-frontend rw",
        "char-nvidia-uvm rw",
    ),
    "amd": ("char-kfd rw", "char-drm rw"),
    "intel": ("char-drm rw",),
}
"""Device classes by vendor; without nvidia-frontend, CUDA programs fall back to the CPU in silence."""

CLOSED: Final[Mapping[str, Any]] = {
    "CapabilityBoundingSet": "",
    "DevicePolicy": "closed",
    "KeyringMode": "private",
    "LockPersonality": True,
    "NoNewPrivileges": True,
    "PrivateTmp": True,
    "PrivateUsers": True,
    "ProtectClock": True,
    "ProtectControlGroups": True,
    "ProtectHome": True,
    "ProtectHostname": True,
    "ProtectKernelLogs": True,
    "ProtectKernelModules": True,
    "ProtectKernelTunables": True,
    "ProtectProc": "invisible",
    "RemoveIPC": True,
    "RestrictAddressFamilies": ["AF_INET", "AF_INET6", "AF_UNIX"],
    "RestrictNamespaces": True,
    "RestrictRealtime": True,
    "RestrictSUIDSGID": True,
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "SystemCallFilter": ["@system-service", "~@privileged"],
    "UMask": "0077",
}
"""For any program. MemoryDenyWriteExecute is not here: torch and triton write code and run it."""


class Order(NamedTuple):
    """When a unit starts, by names of units, and the folders that must be mounted."""

    after: tuple[str, ...]
    wants: tuple[str, ...]
    requires: tuple[str, ...]
    conflicts: tuple[str, ...]
    folders: tuple[str, ...]


def order(workload: Workload, host: UnitHost, *system: str) -> Order:
    """The place of a service among the others; `system` are units of the system that it wants up."""
    before = tuple(host.units_before(workload.name))
    local = tuple(f"{host.unit(name)}.service" for name in sorted(workload.after) if host.local(name))
    rivals = host.rivals(workload)
    # With an order between them, whichever starts waits until the other has stopped and left the GPU.
    later = tuple(f"{host.unit(name)}.service" for name in rivals if name > workload.name)
    # To want a service of an exclusive group would stop the one of them that is up.
    turns = {f"{host.unit(w.name)}.service" for w in host.workloads if w.exclusive}
    volumes = sorted({mount.volume for mount in workload.mounts})
    return Order(
        after=(*before, *local, *system, *later),
        wants=(*(name for name in local if name not in turns), *system),
        requires=before,
        conflicts=tuple(f"{host.unit(name)}.service" for name in rivals),
        folders=tuple(folder for name in volumes if (folder := host.folder_of(name))),
    )


def gate(workload: Workload, host: UnitHost, ports: Iterable[int]) -> tuple[str, ...]:
    """The arguments of the gate; none = nothing to check. `ports` are those that nobody else may have."""
    checks = tuple(_checks(workload, host, ports))
    return ("--wait", str(GATE_WAIT), *checks) if checks else ()


def _checks(workload: Workload, host: UnitHost, ports: Iterable[int]) -> Iterator[str]:
    needs = host.deployment.gpu_memory.get(workload.name, {})
    cards = of_vendor(workload.gpus, "nvidia")
    for node in [*(["/dev/nvidia-uvm"] if cards else []), *device_nodes(workload.gpus)]:
        yield from ("--device", node)
    for gpu, name in zip(cards, gpu_ids(workload.gpus, "nvidia"), strict=True):
        yield from ("--gpu", f"{name}={-(-needs.get(gpu.index, 0) // MIB)}")
    for volume in sorted({mount.volume for mount in workload.mounts}):
        if folder := host.folder_of(volume):
            yield from ("--mount" if host.volume(volume).nfs else "--folder", folder)
    for port in ports:
        yield from ("--port", str(port))


def until_it_answers(health: Health) -> tuple[str, ...]:
    """The command that ends when the program answers, so that what waits for the unit waits for that."""
    patience = ("--retry-all-errors", "--retry", "10000", "--retry-delay", "2")
    limits = ("--max-time", str(health.timeout), "--retry-max-time", str(health.start_period))
    return ("curl", "-fsS", "-o", "/dev/null", *patience, *limits, health_url(health))


def changing(workload: Workload) -> Literal["reload", "restart"]:
    """What a change of its config files calls for."""
    return "restart" if reload_command(workload) is None else "reload"


def fixed(workload: Workload) -> str | None:
    """What makes another unit where a reload does not take over what has changed; systemd ignores keys with X-."""
    kept = workload.reload.fixed if workload.reload else ()
    return sha256(ascii(kept).encode()).hexdigest()[:8] if kept else None


def shut_in(workload: Workload, host: UnitHost) -> dict[str, Any]:
    """The service section of a program of the host: what it sees and may do, and when systemd gives up."""
    start_period = workload.health.start_period if workload.health else 0
    return present(
        {
            "WorkingDirectory": str(workload.working_dir) if workload.working_dir else None,
            "Restart": "on-failure",
            "RestartSec": RESTART,
            "TimeoutStartSec": GATE_WAIT + start_period + 30,
            "TimeoutStopSec": workload.stop_grace,
            "CPUWeight": cpu_weight(workload.cpu_request),
            "CPUQuota": None if workload.cpu_limit is None else f"{workload.cpu_limit / 10:g}%",
            "MemoryMax": workload.memory_limit,
            "LimitMEMLOCK": "infinity" if workload.lock_memory else None,
            "BindPaths": list(_binds(workload, host, read_only=False)),
            "BindReadOnlyPaths": list(_binds(workload, host, read_only=True)),
            "TemporaryFileSystem": list(_scratch(workload)),
            "StateDirectory": state(workload, host),
            **CLOSED,
            **_home(workload),
            **_capabilities(workload),
            **_families(workload),
            **_devices(workload),
        }
    )


def cpu_weight(request: int | None) -> int | None:
    """The share of a unit in time that all want: 100, which every unit has of its own, stands for one CPU."""
    return None if request is None else min(max(request // 10, 1), 10000)


def downloading(job: Workload, host: UnitHost) -> dict[str, Any]:
    """The service section of a download, which may write to its volume and nowhere else."""
    closed = {**CLOSED, "MemoryDenyWriteExecute": True, "PrivateDevices": True, "ProtectSystem": "strict"}
    folder = host.folder_of(job.mounts[0].volume)
    if folder is None:
        return closed | {"StateDirectory": state(job, host)}
    # A folder of the host may belong to anybody; to write to it takes a root that is not of another user's world.
    return closed | {
        "CapabilityBoundingSet": "CAP_DAC_OVERRIDE",
        "PrivateUsers": False,
        "ReadWritePaths": UnitWords((folder,)),
    }


def home(workload: Workload) -> dict[str, str]:
    """The home of the root of an image, for a program that is not root and must find the same files."""
    places = (*(mount.target for mount in workload.mounts), *workload.writable)
    return {"HOME": "/root"} if any(place.is_relative_to("/root") for place in places) else {}


def path_name(path: str) -> str:
    """A path as the name of a unit: what `systemd-escape --path` makes of it."""
    parts = "/".join(part for part in path.split("/") if part)
    if not parts:
        return "-"
    return "".join(_escaped(char, first=index == 0) for index, char in enumerate(parts))


def _escaped(char: str, *, first: bool) -> str:
    if char == "/":
        return "-"
    if char.isascii() and (char.isalnum() or char in ":_" or (char == "." and not first)):
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode())


def state(workload: Workload, host: UnitHost) -> list[str]:
    """The volumes that systemd keeps for it, below /var/lib."""
    managed = {mount.volume for mount in workload.mounts if host.volume(mount.volume).managed}
    return sorted(host.kept(name) for name in managed)


def _binds(workload: Workload, host: UnitHost, *, read_only: bool) -> Iterator[UnitWords]:
    for mount in workload.mounts:
        if mount.read_only is read_only:
            source = host.folder_of(mount.volume) or f"/var/lib/{host.kept(mount.volume)}"
            yield UnitWords((f"{source}:{mount.target}",))


def _scratch(workload: Workload) -> Iterator[UnitWords | str]:
    # PrivateTmp has made these already.
    own = {PurePosixPath("/tmp"), PurePosixPath("/var/tmp")}  # noqa: S108
    for folder in sorted(set(workload.writable) - own - {mount.target for mount in workload.mounts}):
        yield UnitWords((f"{folder}:mode=1777",))
    if workload.shm_size is not None:
        yield f"/dev/shm:mode=1777,size={workload.shm_size}"  # noqa: S108


def _home(workload: Workload) -> dict[str, str]:
    """Volumes and scratch below the homes of people need an empty place there in which to appear."""
    places = (*(mount.target for mount in workload.mounts), *workload.writable)
    homes = (PurePosixPath("/root"), PurePosixPath("/home"))
    return {"ProtectHome": "tmpfs"} if any(p.is_relative_to(h) for p in places for h in homes) else {}


def _capabilities(workload: Workload) -> dict[str, Any]:
    if not workload.capabilities:
        return {}
    kept_ones = " ".join(f"CAP_{name}" for name in sorted(workload.capabilities))
    # In a user namespace of its own they would hold for nothing that the host owns.
    return {"CapabilityBoundingSet": kept_ones, "AmbientCapabilities": kept_ones, "PrivateUsers": False}


def _families(workload: Workload) -> dict[str, list[str]]:
    # NCCL lists the network interfaces, through a netlink socket, before several cards can work as one.
    several = len(of_vendor(workload.gpus, "nvidia")) > 1
    return {"RestrictAddressFamilies": [*CLOSED["RestrictAddressFamilies"], "AF_NETLINK"]} if several else {}


def _devices(workload: Workload) -> dict[str, Any]:
    vendors = {gpu.vendor for gpu in workload.gpus}
    if not vendors:
        return {"PrivateDevices": True}
    allowed = sorted({device for vendor in vendors for device in _DEVICES.get(vendor, ())})
    groups = ["render", "video"] if vendors - {"nvidia"} else []
    return {"DeviceAllow": allowed, **({"SupplementaryGroups": groups} if groups else {})}
