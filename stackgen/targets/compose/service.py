"""Workload -> the entry of one service in compose.yaml, closed by default."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import resolve
from stackgen.domain.target_defaults import cuda_order, device_nodes, of_vendor, present, question
from stackgen.domain.units import GIB, KIB, MIB, show_cpus
from stackgen.domain.workload import Health, Port, Workload
from stackgen.targets.compose.project import Project, Variable, variable

_LOGGING: Final = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


def service(workload: Workload, project: Project) -> dict[str, Any]:
    """What compose has to know of one service."""
    return present(
        {
            "image": workload.image,
            "profiles": project.profiles(workload),
            "entrypoint": list(workload.entrypoint),
            "command": list(workload.args),
            "working_dir": str(workload.working_dir) if workload.working_dir else None,
            "user": workload.user,
            "environment": _environment(workload, project),
            "depends_on": _dependencies(workload, project),
            "ports": list(_ports(workload.ports)),
            "volumes": [*_mounts(workload, project), *_config_mounts(workload), *_scratch(workload)],
            "devices": [f"{node}:{node}" for node in device_nodes(workload.gpus)],
            "deploy": _reservation(workload),
            "cpus": None if workload.cpu_limit is None else show_cpus(workload.cpu_limit),
            "mem_limit": _size(workload.memory_limit),
            "shm_size": _size(workload.shm_size),
            "ulimits": {"memlock": {"soft": -1, "hard": -1}} if workload.lock_memory else None,
            "healthcheck": _healthcheck(workload.health) if workload.health else None,
            "restart": "unless-stopped",
            "stop_grace_period": f"{workload.stop_grace}s",
            "init": True,
            "read_only": True if workload.read_only_root else None,
            "cap_drop": ["ALL"],
            "cap_add": _capabilities(workload, project),
            "security_opt": ["no-new-privileges:true"],
            "logging": _LOGGING,
            "labels": _labels(workload, project),
        }
    )


def job(workload: Workload, project: Project) -> dict[str, Any]:
    """A program that runs to its end, as root: a folder of the host may belong to anybody."""
    once = {"entrypoint": [workload.program], "user": "0:0", "restart": "no"}
    return service(workload, project) | once


def _environment(workload: Workload, project: Project) -> dict[str, Any]:
    values = {
        name: Variable(variable(value)) if isinstance(value, SecretKey) else resolve(value, project.url)
        for name, value in workload.env.items()
    }
    return cuda_order(workload.gpus) | values


def _dependencies(workload: Workload, project: Project) -> dict[str, Any]:
    found = (project.local(name) for name in sorted(workload.after))
    downloads = project.jobs_before(workload.name)
    return {name: {"condition": "service_completed_successfully"} for name in downloads} | {
        dependency.name: {
            "condition": "service_healthy" if dependency.health else "service_started",
            # Compose would reject the whole project whenever the profile of this dependency is not chosen.
            **({"required": False} if project.profiles(dependency) else {}),
        }
        for dependency in found
        if dependency
    }


def _ports(ports: tuple[Port, ...]) -> Iterator[dict[str, Any]]:
    for port in ports:
        if port.publish:
            yield {
                "name": port.name,
                "target": port.number,
                "published": str(port.publish.port),
                "host_ip": port.publish.address,
                "protocol": "tcp",
            }


def _mounts(workload: Workload, project: Project) -> Iterator[dict[str, Any]]:
    for mount in workload.mounts:
        folder = project.deployment.volumes[mount.volume].path
        read_only = {"read_only": True} if mount.read_only else {}
        if folder is None:
            yield {"type": "volume", "source": mount.volume, "target": str(mount.target), **read_only}
        else:
            yield _bind(folder, mount.target) | read_only


def _config_mounts(workload: Workload) -> Iterator[dict[str, Any]]:
    for file in workload.config_files:
        yield _bind(f"./{workload.name}/{file.name}", file.target) | {"read_only": True}


def _bind(source: str, target: PurePosixPath) -> dict[str, Any]:
    # A missing source is a mistake, which docker would hide behind an empty folder that belongs to root.
    return {"type": "bind", "source": source, "target": str(target), "bind": {"create_host_path": False}}


def _scratch(workload: Workload) -> Iterator[dict[str, Any]]:
    folders = {*workload.writable, *([PurePosixPath("/tmp")] if workload.read_only_root else [])}  # noqa: S108
    for folder in sorted(folders - {mount.target for mount in workload.mounts}):
        yield {"type": "tmpfs", "target": str(folder)}


def _capabilities(workload: Workload, project: Project) -> list[str]:
    # A folder of the host may belong to anybody; without this, root in the container could not write to it.
    volumes = project.deployment.volumes
    writes_to_host = any(volumes[mount.volume].path and not mount.read_only for mount in workload.mounts)
    own = {"DAC_OVERRIDE"} if writes_to_host and workload.user is None else set()
    return sorted({*own, *workload.capabilities})


def _reservation(workload: Workload) -> dict[str, Any] | None:
    # Inside the container these GPUs are 0, 1, ... in the order of the PCI bus, whatever order stands here.
    # Indexes of a host count in that order, too, so that tensor_split and main_gpu mean what they say.
    gpus = of_vendor(workload.gpus, "nvidia")
    if not gpus:
        return None
    ids = [gpu.uuid or str(gpu.index) for gpu in gpus]
    device = {"driver": "nvidia", "device_ids": ids, "capabilities": ["gpu"]}
    return {"resources": {"reservations": {"devices": [device]}}}


def _healthcheck(health: Health) -> dict[str, Any]:
    return {
        "test": ["CMD", *question(health)],
        "interval": f"{health.interval}s",
        "timeout": f"{health.timeout}s",
        "retries": 3,
        "start_period": f"{health.start_period}s",
        "start_interval": "5s",
    }


def _labels(workload: Workload, project: Project) -> dict[str, str]:
    labels = {"stackgen.engine": workload.engine}
    if workload.config_files:
        files = [(f.name, str(f.target), f.format.value, f.body) for f in workload.config_files]
        # Compose takes no notice of a mounted file that changed, but recreates a container whose labels did.
        # ascii() and not repr(), whose escapes depend on the Unicode tables of the Python version.
        content = ascii(resolve(files, project.url)).encode()
        labels["stackgen.config"] = sha256(content).hexdigest()[:16]
    return labels


def _size(size: int | None) -> str | None:
    if size is None:
        return None
    unit, suffix = next(((u, s) for u, s in ((GIB, "g"), (MIB, "m"), (KIB, "k")) if size % u == 0), (1, "b"))
    return f"{size // unit}{suffix}"
