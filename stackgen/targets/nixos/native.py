"""Workload -> a plain entry of `systemd.services`, shut in as far as CUDA survives it.

The mount namespace of the unit puts volumes and config files where the program expects them.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain.document import NixExpr, UnitArgv
from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import resolve
from stackgen.domain.target_defaults import of_vendor, present, visible_devices
from stackgen.domain.workload import Health, Workload
from stackgen.emit import shell
from stackgen.emit.unit import command, literal, words
from stackgen.targets.nixos.findings import why_not_native
from stackgen.targets.nixos.machine import Machine
from stackgen.targets.nixos.nixtext import interpolated
from stackgen.targets.nixos.secrets import environment_files
from stackgen.targets.nixos.unit import GATE_WAIT, common, restart

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


def native(workload: Workload, machine: Machine) -> dict[str, Any]:
    """The whole unit of a program that needs no image."""
    unit = common(workload, machine)
    return present(
        unit
        | {
            "wantedBy": None if workload.exclusive else ["multi-user.target"],
            "environment": _environment(workload, machine),
            "path": [*unit.get("path", ()), *([NixExpr("pkgs.curl")] if workload.health else [])],
            # The unit counts as started, and what waits for it starts, when the program answers.
            "postStart": _until_it_answers(workload.health) if workload.health else None,
            "serviceConfig": _service(workload, machine),
        }
    )


def _service(workload: Workload, machine: Machine) -> dict[str, Any]:
    start_period = workload.health.start_period if workload.health else 0
    runnable = why_not_native(workload) is None
    return present(
        {
            "Type": "exec",
            "ExecStart": command(UnitArgv((workload.program, *workload.args))) if runnable else None,
            "WorkingDirectory": str(workload.working_dir) if workload.working_dir else None,
            "EnvironmentFile": environment_files(workload, machine),
            **restart(),
            "TimeoutStartSec": GATE_WAIT + start_period + 30,
            "TimeoutStopSec": workload.stop_grace,
            "MemoryMax": workload.memory_limit,
            "LimitMEMLOCK": "infinity" if workload.lock_memory else None,
            "BindPaths": list(_binds(workload, machine, read_only=False)),
            "BindReadOnlyPaths": [
                *_binds(workload, machine, read_only=True),
                *(
                    interpolated(machine.source(file, workload), f":{file.target}")
                    for file in workload.config_files
                ),
            ],
            "TemporaryFileSystem": list(_scratch(workload)),
            "StateDirectory": sorted(_state(workload, machine)),
            **_user(workload),
            **CLOSED,
            **_capabilities(workload),
            **_devices(workload),
        }
    )


def _environment(workload: Workload, machine: Machine) -> dict[str, str]:
    plain = {name: value for name, value in workload.env.items() if not isinstance(value, SecretKey)}
    visible = visible_devices(workload.gpus)
    if of_vendor(workload.gpus, "nvidia"):
        visible |= {"LD_LIBRARY_PATH": "/run/opengl-driver/lib"}
    # NixOS quotes what stands here, but systemd still looks for specifiers in it.
    return {n: literal(v) for n, v in (visible | resolve(plain, machine.url_of(workload))).items()}


def _until_it_answers(health: Health) -> str:
    url = f"http://127.0.0.1:{health.port}{health.path}"
    patience = ("--retry-all-errors", "--retry", "10000", "--retry-delay", "2")
    limits = ("--max-time", str(health.timeout), "--retry-max-time", str(health.start_period))
    return shell.join(("curl", "-fsS", "-o", "/dev/null", *patience, *limits, url)) + "\n"


def _binds(workload: Workload, machine: Machine, *, read_only: bool) -> Iterator[str]:
    for mount in workload.mounts:
        if mount.read_only is read_only:
            source = machine.folder_of(mount.volume) or f"/var/lib/{kept(mount.volume, machine)}"
            yield words([f"{source}:{mount.target}"])


def _state(workload: Workload, machine: Machine) -> set[str]:
    managed = {mount.volume for mount in workload.mounts if machine.volume(mount.volume).managed}
    return {kept(name, machine) for name in managed}


def kept(volume: str, machine: Machine) -> str:
    """Where systemd keeps a volume that the platform provides, below /var/lib."""
    return f"{machine.deployment.name}/{volume}"


def _scratch(workload: Workload) -> Iterator[str]:
    # PrivateTmp has made these already.
    own = {PurePosixPath("/tmp"), PurePosixPath("/var/tmp")}  # noqa: S108
    for folder in sorted(set(workload.writable) - own - {mount.target for mount in workload.mounts}):
        yield words([f"{folder}:mode=1777"])
    if workload.shm_size is not None:
        yield f"/dev/shm:mode=1777,size={workload.shm_size}"  # noqa: S108


def _user(workload: Workload) -> dict[str, Any]:
    if workload.user is None:
        return {"DynamicUser": True, "ProtectSystem": "strict"}
    user, _, group = workload.user.partition(":")
    system = "strict" if workload.read_only_root else "full"
    return {"User": user, **({"Group": group} if group else {}), "ProtectSystem": system}


def _capabilities(workload: Workload) -> dict[str, Any]:
    if not workload.capabilities:
        return {}
    kept_ones = " ".join(f"CAP_{name}" for name in sorted(workload.capabilities))
    # In a user namespace of its own they would hold for nothing that the host owns.
    return {"CapabilityBoundingSet": kept_ones, "AmbientCapabilities": kept_ones, "PrivateUsers": False}


def _devices(workload: Workload) -> dict[str, Any]:
    vendors = {gpu.vendor for gpu in workload.gpus}
    if not vendors:
        return {"PrivateDevices": True}
    allowed = sorted({device for vendor in vendors for device in _DEVICES.get(vendor, ())})
    groups = ["render", "video"] if vendors - {"nvidia"} else []
    return {"DeviceAllow": allowed, **({"SupplementaryGroups": groups} if groups else {})}
