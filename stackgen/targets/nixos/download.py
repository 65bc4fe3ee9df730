"""Downloads as units that run once to their end, before the services that wait for their files."""

from dataclasses import replace
from typing import Any

from stackgen.domain.document import NixExpr
from stackgen.domain.downloads import FOLDER, SCRIPT
from stackgen.domain.systemd import DOWNLOAD_ATTEMPTS, downloading
from stackgen.domain.target_defaults import present
from stackgen.domain.workload import Workload
from stackgen.emit.unit import words
from stackgen.targets.nixos.machine import Machine, is_native
from stackgen.targets.nixos.nixtext import interpolated
from stackgen.targets.nixos.secrets import environment_files
from stackgen.targets.nixos.unit import common, settings


def download(job: Workload, machine: Machine) -> dict[str, Any]:
    """The unit of a job of `domain.downloads`; systemd runs it again when the list of files has changed."""
    unit = common(replace(job, image=""), machine)
    return unit | {
        "environment": {"DOWNLOAD_ATTEMPTS": str(DOWNLOAD_ATTEMPTS)},
        "path": [*unit.get("path", ()), NixExpr("pkgs.curl"), NixExpr("pkgs.util-linux")],
        "serviceConfig": present(
            {
                "Type": "oneshot",
                "RemainAfterExit": True,
                "TimeoutStartSec": "infinity",
                "EnvironmentFile": environment_files(job, machine),
                **(_in_podman(job, machine) if _is_podmans(job, machine) else _on_the_host(job, machine)),
            }
        ),
    }


def _is_podmans(job: Workload, machine: Machine) -> bool:
    """Whether only Podman knows where the volume is."""
    volume = job.mounts[0].volume
    users = [w for w in machine.workloads if volume in {mount.volume for mount in w.mounts}]
    return machine.volume(volume).managed and not all(is_native(w) for w in users)


def _on_the_host(job: Workload, machine: Machine) -> dict[str, Any]:
    volume = job.mounts[0].volume
    folder = machine.folder_of(volume)
    place = words([(folder or f"/var/lib/{machine.kept(volume)}").replace("$", "$$")])
    return {
        "ExecStart": interpolated(NixExpr("pkgs.bash"), "/bin/sh ", _script(job, machine), f" {place}"),
        **settings(downloading(job, machine)),
        **({} if folder else {"DynamicUser": True}),
    }


def _in_podman(job: Workload, machine: Machine) -> dict[str, Any]:
    unit = machine.unit(job.name)
    options = (
        *(f"--name={unit}", "--replace", "--rm", "--init", "--log-driver=none", "--read-only", "--user=0:0"),
        *("--cap-drop=ALL", "--cap-add=DAC_OVERRIDE", "--security-opt=no-new-privileges"),
        *(f"--env={name}" for name in ("DOWNLOAD_ATTEMPTS", *machine.secrets(job))),
        f"--volume={machine.deployment.name}-{job.mounts[0].volume}:{FOLDER}",
    )
    return {
        "ExecStart": interpolated(
            NixExpr("config.virtualisation.podman.package"),
            f"/bin/podman run {words(options)} --volume=",
            _script(job, machine),
            f":{SCRIPT}:ro {words([job.image, job.program, *job.args])}",
        )
    }


def _script(job: Workload, machine: Machine) -> NixExpr:
    return machine.source(job.config_files[0], job)
