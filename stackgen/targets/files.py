"""Deployment -> files/<host>/<service>/: a program's own config files, and a script that starts it by hand.

What a platform would take care of stands as a comment in the script.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from stackgen.domain.contracts import Rendered, Target
from stackgen.domain.delivery import Deploy
from stackgen.domain.document import Document, Format, Template
from stackgen.domain.downloads import script
from stackgen.domain.linked import Scheduled, SecretKey, bracketed
from stackgen.domain.listening import LOOPBACK, near, on_hosts, published_address
from stackgen.domain.reach import Place, UrlOf, resolve
from stackgen.domain.site import Site, sites
from stackgen.domain.stack import Volume
from stackgen.domain.target_defaults import config_files, health_url, reload_health, visible_devices
from stackgen.domain.units import show_cpus, show_size
from stackgen.domain.workload import Deployment, Port, ServiceUrl, Workload
from stackgen.emit import shell


class _Files:
    name: Final = "files"
    summary: Final = "config files and start scripts, for those who run the programs themselves"
    platform: Final = False
    handles: Final = frozenset(
        {
            *("name", "engine", "image", "program", "entrypoint", "working_dir", "args"),
            *("env", "config_files", "mounts", "gpus", "watches", "workers", "ports", "listen"),
            *("health", "reload", "after", "exclusive", "expose", "shm_size", "lock_memory"),
            *("cpu_request", "cpu_limit", "memory_request", "memory_limit"),
            *("stop_grace", "read_only_root", "writable", "capabilities", "user", "calls", "offline"),
        }
    )
    rejects: Final = frozenset[str]()

    def scheduled(self, deploy: Deploy) -> Scheduled:
        """Nothing: nobody keeps count of a host."""
        return {}

    def render(self, deployment: Deployment) -> Rendered:
        """The files of every host, whatever its platform."""
        found = sites(Site, on_hosts(deployment, published_address))
        return Rendered(tuple(document for site in found for document in _documents(site)))


TARGET: Final[Target] = _Files()


def _documents(site: Site) -> Iterator[Document]:
    url_of = _url_of(site)
    for workload in site.workloads:
        folder = PurePosixPath("files", site.name, workload.name)
        yield from config_files(workload, folder, site.origin, url_of)
        yield Document(
            path=folder / "run.sh",
            format=Format.SHELL,
            header=(site.origin, "", *_notes(workload, site)),
            body=Template("files/run.sh", tuple(_values(workload, url_of).items())),
            executable=True,
        )
    yield from _downloads(site)


def _downloads(site: Site) -> Iterator[Document]:
    for job in site.jobs:
        volume = job.mounts[0].volume
        downloads = [d for d in site.deployment.downloads if d.volume == volume and site.name in d.hosts]
        yield Document(
            path=PurePosixPath("files", site.name, f"{job.name}.sh"),
            format=Format.SHELL,
            header=(site.origin,),
            body=script(downloads, site.deployment.volumes[volume].path or ""),
            executable=True,
        )


def _url_of(site: Site) -> UrlOf:
    def url_of(url: ServiceUrl) -> str:
        place = site.places[url.service]
        port = "" if place.port is None else f":{place.port}"
        return f"http://{bracketed(_address(place, site))}{port}{url.path}"

    return url_of


def _address(place: Place, site: Site) -> str:
    if site.local(place.workload.name):
        return LOOPBACK if place.publish is None else near(place.publish)
    return place.host.address or place.host.name


def _values(workload: Workload, url_of: UrlOf) -> dict[str, object]:
    secrets = {name: value for name, value in workload.env.items() if isinstance(value, SecretKey)}
    plain = {name: value for name, value in workload.env.items() if name not in secrets}
    here = {str(file.target): f"./{file.name}" for file in workload.config_files}
    return {
        "secrets": tuple(
            (name, f"set it to {secret.key} of the secret {secret.name}") for name, secret in secrets.items()
        ),
        "env": tuple((visible_devices(workload.gpus) | resolve(plain, url_of)).items()),
        "argv": (workload.program, *(here.get(argument, argument) for argument in workload.args)),
    }


def _notes(workload: Workload, site: Site) -> Iterator[str]:
    yield f"{workload.engine}, as in the image {workload.image}. It needs:"
    yield from (f"- the files of ../{job}.sh" for job in site.jobs_before(workload.name))
    yield from (f"- {need}" for need in (*_needs_of_place(workload, site), *_needs_of_host(workload)))


def _needs_of_place(workload: Workload, site: Site) -> Iterator[str]:
    for mount in workload.mounts:
        source = _source(site.volumes[mount.volume])
        yield f"{mount.target}: the volume {mount.volume}{source}{', read only' if mount.read_only else ''}"
    for file in workload.config_files:
        if str(file.target) not in workload.args:
            yield f"{file.target}: {file.name} of this folder"
    for folder in workload.writable:
        yield f"{folder}: writable, not kept"
    if not workload.read_only_root:
        yield "a program folder that it may write to"
    for gpu in workload.gpus:
        yield f"GPU {gpu.index}: {gpu.model}"
    for host in workload.workers.hosts if workload.workers else ():
        yield f"a part of it on {host.name}, with the same GPUs"
    for port in workload.ports:
        yield f"port {port.number} ({port.name}){_seen(port)}"


def _seen(port: Port) -> str:
    if port.publish is None:
        return ""
    same = port.publish.port == port.number
    return f" on {port.publish.address}" if same else f", seen as {port.publish.address}:{port.publish.port}"


def _needs_of_host(workload: Workload) -> Iterator[str]:
    yield from _needs_of_container(workload)
    if workload.after:
        yield f"up before it: {', '.join(workload.after)}"
    if workload.exclusive:
        yield f"down before it: the others of {', '.join(workload.exclusive)}"
    if workload.expose:
        timeout = f", answers of up to {workload.expose.timeout} s" if workload.expose.timeout else ""
        yield f"a proxy for {workload.expose.hostname}{timeout}"
    if workload.health:
        health = workload.health
        yield f"up to {health.start_period} s until {health_url(health)} answers"
    if asked := reload_health(workload):
        yield f"a GET of {health_url(asked)} to read its config files anew, or a restart"
    yield from _needs_of_machine(workload)
    if workload.shm_size is not None:
        yield f"{show_size(workload.shm_size)} in /dev/shm"
    if workload.lock_memory:
        yield "the right to lock memory (ulimit -l unlimited)"
    if workload.user:
        yield f"the user {workload.user}"
    yield f"{workload.stop_grace} s to stop"


def _needs_of_machine(workload: Workload) -> Iterator[str]:
    if workload.cpu_request is not None:
        yield f"{show_cpus(workload.cpu_request)} CPUs to itself, where others want them too"
    if workload.cpu_limit is not None:
        yield f"at most {show_cpus(workload.cpu_limit)} CPUs"
    if workload.memory_request is not None:
        yield f"{show_size(workload.memory_request)} of memory to itself"
    if workload.memory_limit is not None:
        yield f"at most {show_size(workload.memory_limit)} of memory"


def _needs_of_container(workload: Workload) -> Iterator[str]:
    if workload.entrypoint:
        yield f"in a container, {shell.join(workload.entrypoint)} in place of its own entry point"
    if workload.working_dir:
        yield f"{workload.working_dir} as the folder in which it starts"
    if workload.capabilities:
        yield f"the capabilities {', '.join(workload.capabilities)}"


def _source(volume: Volume) -> str:
    source = volume.path or volume.nfs
    return f" ({source})" if source else ""
