"""What many targets do alike, as small functions that a target may borrow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Final, assert_never

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.document import Document
from stackgen.domain.linked import LinkedGpu, bracketed
from stackgen.domain.reach import UrlOf, resolve, urls
from stackgen.domain.site import Site
from stackgen.domain.workload import Health, Tool, Workload

VISIBLE_DEVICES: Final[Mapping[str, str]] = {"nvidia": "CUDA_VISIBLE_DEVICES", "amd": "ROCR_VISIBLE_DEVICES"}
"""Variables that leave out GPUs of a vendor; those left keep the order of the list, and count from 0 in it."""
DEVICE_NODES: Final[Mapping[str, tuple[str, ...]]] = {"amd": ("/dev/kfd", "/dev/dri"), "intel": ("/dev/dri",)}
"""What a program needs to reach the GPUs of a vendor: all of them, for these nodes know no indexes."""

_RESERVED: Final[Mapping[str, str]] = {"ram": "main memory", "cpus": "CPU time"}
_ROOTS_HOME: Final = PurePosixPath("/root")


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Only the keys that say something."""
    return {key: value for key, value in values.items() if value not in (None, [], {})}


def gpu_ids(gpus: Sequence[LinkedGpu], vendor: str) -> list[str]:
    """The GPUs of a vendor in bus order; UUIDs if all have one, for no driver promises to read a mixture."""
    found = of_vendor(gpus, vendor)
    uuids = [gpu.uuid for gpu in found if gpu.uuid]
    return uuids if len(uuids) == len(found) else [str(gpu.index) for gpu in found]


def of_vendor(gpus: Sequence[LinkedGpu], vendor: str) -> list[LinkedGpu]:
    """The GPUs of a vendor in the order of the PCI bus."""
    return sorted((gpu for gpu in gpus if gpu.vendor == vendor), key=lambda gpu: gpu.index)


def device_nodes(gpus: Sequence[LinkedGpu]) -> list[str]:
    """The nodes of all vendors that have some."""
    return sorted({node for gpu in gpus for node in DEVICE_NODES.get(gpu.vendor, ())})


def visible_devices(gpus: Sequence[LinkedGpu]) -> dict[str, str]:
    """The environment in which a program outside of a container sees these GPUs only."""
    visible = {v: ",".join(ids) for vendor, v in VISIBLE_DEVICES.items() if (ids := gpu_ids(gpus, vendor))}
    return cuda_order(gpus) | visible


def cuda_order(gpus: Sequence[LinkedGpu]) -> dict[str, str]:
    """CUDA counts the fastest GPU first unless told otherwise."""
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if of_vendor(gpus, "nvidia") else {}


def health_url(health: Health) -> str:
    """Where the program answers whoever asks beside it."""
    return f"http://{bracketed(health.address)}:{health.port}{health.path}"


def question(health: Health) -> list[str]:
    """The command that asks, inside the image, whether the program answers."""
    url = health_url(health)
    match health.tool:
        case "curl":
            return ["curl", "-fsS", "-o", "/dev/null", url]
        case "wget":
            return ["wget", "-q", "-O", "/dev/null", url]
        case "python3":
            return ["python3", "-c", f"import urllib.request; urllib.request.urlopen({url!r})"]
        case "bash":
            # Its own sockets are all that some images have.
            ask = f"exec 3<>/dev/tcp/{health.address}/{health.port}"
            send = "printf 'GET %s HTTP/1.0\\r\\n\\r\\n' \"$0\" >&3"
            return [
                "bash",
                "-c",
                f'{ask} && {send} && read -r _ status _ <&3 && [ "$status" = 200 ]',
                health.path,
            ]
        case _:
            assert_never(health.tool)


def reload_health(workload: Workload) -> Health | None:
    """The question that makes it read its config files anew, as if it were one about its health."""
    files = workload.config_files
    # Files that change in place are seen by mounts of their folders, under their own names.
    if (
        workload.health is None
        or workload.reload is None
        or not files
        or any(f.target.name != f.name for f in files)
    ):
        return None
    return replace(workload.health, path=workload.reload.path)


def reload_command(workload: Workload, tool: Tool | None = None) -> list[str] | None:
    """The command that asks, with the tool of the image unless told; None = it must start anew."""
    asked = reload_health(workload)
    if asked is None or workload.reload is None:
        return None
    asked = replace(asked, tool=tool or asked.tool)
    if workload.reload.key is None:
        return question(asked)
    # Only curl takes a header from where nobody sees it.
    send = (
        f'printf "Authorization: Bearer %s\\n" "${workload.reload.key}" | curl -fsS -o /dev/null -H @- "$0"'
    )
    return ["/bin/sh", "-c", send, health_url(asked)] if asked.tool == "curl" else None


def config_files(workload: Workload, folder: PurePosixPath, origin: str, url_of: UrlOf) -> Iterator[Document]:
    """The files that a program reads, to be written to a folder."""
    for file in workload.config_files:
        yield Document(
            path=folder / file.name, format=file.format, header=(origin,), body=resolve(file.body, url_of)
        )


def unreachable(workload: Workload, site: Site, address: Callable[[str], str | None]) -> Iterator[Diagnostic]:
    """Services whose URL it has and that have no address there."""
    for service in sorted({url.service for url in urls(workload)}):
        if address(service) is not None:
            continue
        place = site.places.get(service)
        hint = None
        if place is None:
            reason = "it is not among the services to deploy"
        elif place.port is None:
            reason = "it has no port"
        elif site.local(service):
            reason = "a program on the host sees a container only where it is published"
            hint = f"add `publish` to services.{service}"
        else:
            reason, hint = place.why_not_outside()
        message = f"`{workload.name}` cannot reach `{service}`: {reason}"
        yield error("render/unreachable", (*workload.path, "uses"), message, hint)


def exposed(workload: Workload, site: Site) -> Iterator[Diagnostic]:
    """A host name for which neither the target nor a proxy of the stack does anything."""
    if workload.expose is None or workload.name in site.deployment.fronts:
        return
    publish = next((port.publish for port in workload.ports if port.publish), None)
    yield warning(
        "render/expose-without-proxy",
        (*workload.path, "expose"),
        f"nothing is rendered for {workload.expose.hostname}: the proxy in front of it is yours",
        f"point the proxy at {publish.address}:{publish.port}, or add a service with `engine: caddy`"
        if publish
        else f"add `publish` to services.{workload.name} for a proxy of yours, or a service with `engine: caddy`",
    )


def spread(workload: Workload) -> Iterator[Diagnostic]:
    """Parts on further hosts, which nothing brings together there."""
    if workload.workers:
        yield error(
            "render/workers",
            (*workload.path, "workers"),
            f"`{workload.name}` spreads over {1 + len(workload.workers.hosts)} hosts, "
            "and nothing here starts them together",
            "platform: kubernetes for its hosts, or a model that one host holds",
        )


def unreserved(workload: Workload, requests: Mapping[str, int | None]) -> Iterator[Diagnostic]:
    """Requests, by their key in stack.yaml, that the platform keeps nothing free for."""
    for key, request in requests.items():
        if request is not None:
            yield warning(
                "render/request",
                (*workload.path, key, "request"),
                f"nothing here keeps {_RESERVED[key]} free for `{workload.name}`: it starts, whatever is left",
                "leave `request` out, for `limit` counts alone; or `platform: kubernetes`, which schedules by it",
            )


def container_user(workload: Workload) -> Iterator[Diagnostic]:
    """What a container's user may not do: enter root's home, or open the device nodes of some vendors."""
    if workload.user is None or workload.user.partition(":")[0] == "0":
        return
    path = (*workload.path, "user")
    folders = (*(mount.target for mount in workload.mounts), *workload.writable)
    if kept := sorted(folder for folder in folders if _ROOTS_HOME in (folder, *folder.parents)):
        yield error(
            "render/roots-home",
            path,
            f"`{workload.name}` runs as {workload.user}, and keeps files in {kept[0]}, where only root may go",
            "leave `user` out",
        )
    for vendor in sorted({gpu.vendor for gpu in workload.gpus} & DEVICE_NODES.keys()):
        yield warning(
            "render/gpu-group",
            path,
            f"it runs as {workload.user}, who may not be allowed to open {DEVICE_NODES[vendor][-1]}",
            "open the device nodes of the GPU to that user, with a udev rule on the host",
        )


def after_elsewhere(workload: Workload, site: Site) -> Iterator[Diagnostic]:
    """Services to wait for that run on other hosts."""
    for name in workload.after:
        if site.local(name) is None:
            message = f"`{workload.name}` cannot wait for `{name}`, which is not on its host"
            yield warning("render/after-elsewhere", workload.path, message)


def gpus_left_out(workload: Workload, site: Site, vendor: str) -> Iterator[Diagnostic]:
    """GPUs of a vendor that must be given together, and of which some are missing; or an unknown vendor."""
    path = (*workload.path, "gpus")
    if vendor not in DEVICE_NODES:
        message = f"no way is known to give {vendor} GPUs to `{workload.name}`"
        yield error("render/gpu-vendor", path, message)
        return
    claimed = {gpu.index for gpu in workload.gpus}
    left = [gpu.index for gpu in of_vendor(site.host.host.gpus, vendor) if gpu.index not in claimed]
    if left:
        yield error(
            "render/gpu-selection",
            path,
            f"`{workload.name}` gets all {vendor} GPUs of its host or none, and GPU {left[0]} is missing",
            f"give `{workload.name}` all of them; the device nodes of a single one have no fixed names",
        )
