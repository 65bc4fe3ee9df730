"""Downloads in words of a Workload: a script in a small image, once to its end before the services start."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import PurePosixPath
from typing import Final

from stackgen.domain.document import Format, Template
from stackgen.domain.workload import ConfigFile, Deployment, Download, DownloadFile, EnvValue, Mount, Workload

IMAGE: Final = "docker.io/curlimages/curl:8.16.0"
"""Has what the script needs: sh, curl, and from busybox sha256sum, stat, df, flock."""
ENGINE: Final = "download"
SCRIPT: Final = PurePosixPath("/download.sh")
FOLDER: Final = PurePosixPath("/volume")
TEXT: Final = "text:"
"""Before what stands in a file that the script writes itself."""


def jobs(deployment: Deployment, host: str) -> tuple[Workload, ...]:
    """A job for each volume that a host needs files on, to be run as `sh /download.sh /volume`."""
    return tuple(_job(volume, found, deployment) for volume, found in _by_volume(deployment, host))


def waited_for(deployment: Deployment, host: str, service: str) -> tuple[str, ...]:
    """The names of the jobs that must have ended well before a service starts."""
    return tuple(
        _name(volume, deployment)
        for volume, found in _by_volume(deployment, host)
        if any(service in download.services for download in found)
    )


def marker_of(job: Workload) -> str:
    """The file below the volume that is there once all of a job's files are."""
    (file,) = job.config_files
    return f".stackgen/{dict(file.body.values)['marker']}"


def script(downloads: Sequence[Download], folder: str = "") -> Template:
    """The script for these files; `folder` is where they go when its caller names none."""
    files = tuple(
        (
            _source(download, file),
            str(file.size),
            f"sha256:{file.sha256}" if file.sha256 else f"git:{file.oid}",
            str(file.target),
        )
        for download in downloads
        for file in download.files
    )
    unique = tuple(dict.fromkeys(files))
    digest = sha256(ascii(unique).encode()).hexdigest()[:16]
    return Template("download.sh", (("files", unique), ("folder", folder), ("marker", f"complete-{digest}")))


def _source(download: Download, file: DownloadFile) -> str:
    """Where a file comes from: an address, a path on the hub, or its own text."""
    if file.text is not None:
        return f"{TEXT}{file.text}"
    return file.url or f"{download.repo}/resolve/{download.commit}/{_percent_encoded(file.path)}"


def _by_volume(deployment: Deployment, host: str) -> list[tuple[str, list[Download]]]:
    here = sorted((d for d in deployment.downloads if host in d.hosts), key=lambda d: (d.volume, d.model))
    return [(volume, list(found)) for volume, found in groupby(here, key=lambda d: d.volume)]


def _job(volume: str, downloads: Sequence[Download], deployment: Deployment) -> Workload:
    tokens = [download.token for download in downloads if download.token]
    env: Mapping[str, EnvValue] = {"HF_TOKEN": tokens[0]} if tokens else {}
    return Workload(
        name=_name(volume, deployment),
        engine=ENGINE,
        image=IMAGE,
        program="sh",
        args=(str(SCRIPT), str(FOLDER)),
        env=env,
        mounts=(Mount(volume=volume, target=FOLDER),),
        config_files=(
            ConfigFile(name=SCRIPT.name, target=SCRIPT, format=Format.SHELL, body=script(downloads)),
        ),
    )


def _percent_encoded(path: str) -> str:
    """A path as it stands in a URL (RFC 3986, 2.3)."""
    plain = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in path.encode())


def _name(volume: str, deployment: Deployment) -> str:
    """A name that no service has."""
    taken = {workload.name for host in deployment.hosts for workload in host.workloads}
    name = f"download-{volume}"
    while name in taken:
        name += "-files"
    return name
