"""What a stack asks for and Docker Compose cannot give, or what would fail only when it starts."""

from collections.abc import Iterator

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.reach import urls
from stackgen.domain.workload import Workload
from stackgen.targets.compose.project import Project
from stackgen.targets.compose.service import DEVICE_NODES


def findings(project: Project) -> Iterator[Diagnostic]:
    """Everything that is wrong with one host's project."""
    for workload in project.workloads:
        yield from _no_image(workload)
        yield from _unreachable(workload, project)
        yield from _no_proxy(workload)
        yield from _gpus(workload, project)
        yield from _elsewhere(workload, project)
    yield from _same_variable(project)
    yield from _mount_options(project)


def _no_image(workload: Workload) -> Iterator[Diagnostic]:
    if not workload.image:
        message = f"`{workload.name}` names no image, and compose runs nothing else"
        yield error("compose/no-image", workload.path, message, "image: registry/name:version")


def _unreachable(workload: Workload, project: Project) -> Iterator[Diagnostic]:
    for service in sorted({url.service for url in urls(workload)}):
        if project.address(service) is not None:
            continue
        place = project.places.get(service)
        if place is None:
            message, hint = "it is not among the services to deploy", None
        elif place.port is None:
            message, hint = "it has no port", None
        else:
            message, hint = place.why_not_outside()
        message = f"`{workload.name}` cannot reach `{service}`: {message}"
        yield error("compose/unreachable", (*workload.path, "uses"), message, hint)


def _no_proxy(workload: Workload) -> Iterator[Diagnostic]:
    if workload.expose is None:
        return
    published = [port.publish for port in workload.ports if port.publish]
    listens = f"{published[0].address}:{published[0].port}" if published else None
    yield warning(
        "compose/expose-without-proxy",
        (*workload.path, "expose"),
        f"nothing is rendered for {workload.expose.hostname}: compose comes without a reverse proxy",
        f"point a proxy of your own at {listens}"
        if listens
        else f"add `publish` to services.{workload.name} and point a proxy of your own at that port",
    )


def _gpus(workload: Workload, project: Project) -> Iterator[Diagnostic]:
    path = (*workload.path, "gpus")
    vendors = sorted({gpu.vendor for gpu in workload.gpus})
    if len(vendors) > 1:
        yield error("compose/mixed-gpus", path, f"GPUs of {' and '.join(vendors)} cannot be in one container")
        return
    for vendor in vendors:
        if vendor == "nvidia":
            return
        if vendor not in DEVICE_NODES:
            yield error("compose/gpu-vendor", path, f"no way is known to give {vendor} GPUs to a container")
            return
        claimed = {gpu.index for gpu in workload.gpus}
        if left := [g.index for g in project.host.host.gpus if g.vendor == vendor and g.index not in claimed]:
            yield error(
                "compose/gpu-selection",
                path,
                f"a container gets all {vendor} GPUs of its host or none, and GPU {left[0]} is missing",
                f"give `{workload.name}` all of them; the device nodes of a single one have no fixed names",
            )
        if workload.user is not None:
            yield warning(
                "compose/gpu-group",
                path,
                f"it runs as {workload.user}, who may not be allowed to open {DEVICE_NODES[vendor][-1]}",
                "open the device nodes of the GPU to that user, with a udev rule on the host",
            )


def _elsewhere(workload: Workload, project: Project) -> Iterator[Diagnostic]:
    for name in workload.after:
        if project.local(name) is None:
            yield warning(
                "compose/after-elsewhere",
                workload.path,
                f"`{workload.name}` cannot wait for `{name}`, which is not on its host",
            )


def _same_variable(project: Project) -> Iterator[Diagnostic]:
    for name, uses in project.secrets.items():
        others = [use for use in uses if use.secret != uses[0].secret]
        if others:
            first, second = uses[0], others[0]
            yield error(
                "compose/same-variable",
                ("services", second.service, "env", second.name),
                f"the secrets of {first.label} and of {second.label} would both be {name} in .env",
                "rename one of the secrets",
            )


def _mount_options(project: Project) -> Iterator[Diagnostic]:
    used = sorted({mount.volume for workload in project.workloads for mount in workload.mounts})
    for name in used:
        volume = project.deployment.volumes[name]
        if volume.mount_options and volume.nfs is None:
            yield warning(
                "compose/mount-options",
                ("volumes", name, "mount_options"),
                "compose can give mount options to NFS volumes only",
                "put them into the fstab of the host",
            )
