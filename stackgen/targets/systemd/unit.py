"""Workload -> the unit of a program of the host, shut in as far as CUDA survives it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from stackgen.domain.document import UnitArgv, UnitRaw, UnitWords
from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import resolve
from stackgen.domain.systemd import (
    BURST,
    DOWNLOAD_ATTEMPTS,
    GATE,
    INTERVAL,
    downloading,
    fixed,
    gate,
    home,
    order,
    shut_in,
    until_it_answers,
)
from stackgen.domain.target_defaults import present, reload_command, visible_devices
from stackgen.domain.workload import Workload
from stackgen.emit import shell
from stackgen.targets.systemd.box import Box
from stackgen.targets.systemd.findings import why_not

Unit = dict[str, Any]


def service(workload: Workload, box: Box) -> Unit:
    """The unit of one service."""
    health = workload.health
    closed = shut_in(_of_the_host(workload), box)
    files = [
        UnitWords((f"{box.place / workload.name / file.name}:{file.target}",))
        for file in workload.config_files
    ]
    body = {
        "Type": "exec",
        "ExecStartPre": _gate(workload, box),
        "ExecStart": UnitArgv((workload.program, *workload.args)) if why_not(workload) is None else None,
        # The unit counts as started, and what waits for it starts, when the program answers.
        "ExecStartPost": UnitArgv(until_it_answers(health)) if health else None,
        "ExecReload": UnitArgv(tuple(asking)) if (asking := reload_command(workload, "curl")) else None,
        "Environment": _environment(workload, box),
        "EnvironmentFile": box.environment_file(workload) if box.secrets(workload) else None,
        **closed,
        "BindReadOnlyPaths": [*closed.get("BindReadOnlyPaths", ()), *files],
        **_user(workload, box),
    }
    install = {} if workload.exclusive else {"Install": {"WantedBy": "multi-user.target"}}
    limits = {"StartLimitIntervalSec": INTERVAL, "StartLimitBurst": BURST}
    return {"Unit": _head(workload, box) | limits, "Service": present(body), **install}


def download(job: Workload, box: Box) -> Unit:
    """The unit of a job of `domain.downloads`, which runs once before those who wait for its files."""
    script = box.place / job.name / job.config_files[0].name
    volume = job.mounts[0].volume
    folder = box.folder_of(volume)
    tokens = {name: box.secret_file(secret) for name, secret in box.secrets(job).items()}
    body = {
        "Type": "oneshot",
        "RemainAfterExit": True,
        "ExecStartPre": _gate(job, box),
        "ExecStart": UnitArgv(("/bin/sh", str(script), folder or f"/var/lib/{box.kept(volume)}")),
        "Environment": [
            f"DOWNLOAD_ATTEMPTS={DOWNLOAD_ATTEMPTS}",
            *(UnitRaw(f"{name}_PATH=%d/{name}") for name in tokens),
        ],
        "LoadCredential": [f"{name}:{file}" for name, file in tokens.items()],
        "TimeoutStartSec": "infinity",
        **downloading(job, box),
        **({} if folder else {"User": box.user}),
    }
    return {"Unit": _head(job, box), "Service": present(body)}


def notes(workload: Workload) -> Iterator[str]:
    """What its image would have brought, for whoever installs the program."""
    if not workload.image:
        return
    yield f"It runs the host's own {workload.program}, in place of the image {workload.image}"
    if workload.entrypoint:
        yield f"- there started by {shell.join(workload.entrypoint)}"
    if workload.working_dir:
        yield f"- there in {workload.working_dir}"
    if workload.user:
        yield f"- there as the user {workload.user}"
    if not workload.read_only_root:
        yield "- there it writes to its own folders; here to its volumes alone"
    if workload.capabilities:
        yield f"- there with the capabilities {', '.join(workload.capabilities)}"


def _of_the_host(workload: Workload) -> Workload:
    """Without what is meant for the inside of an image."""
    return replace(workload, working_dir=None, capabilities=(), user=None) if workload.image else workload


def _head(workload: Workload, box: Box) -> dict[str, Any]:
    found = order(workload, box, "network-online.target")
    return present(
        {
            "Description": f"{workload.name} of {box.deployment.name} ({workload.engine})",
            "After": UnitWords(found.after),
            "Wants": UnitWords(found.wants),
            "Requires": UnitWords(found.requires) if found.requires else None,
            "Conflicts": UnitWords(found.conflicts) if found.conflicts else None,
            "RequiresMountsFor": UnitWords(found.folders) if found.folders else None,
            "X-ReadAtStart": fixed(workload),
        }
    )


def _gate(workload: Workload, box: Box) -> UnitArgv | None:
    arguments = gate(workload, box, [port.number for port in workload.ports])
    return UnitArgv(("/bin/bash", str(box.place / GATE), *arguments)) if arguments else None


def _environment(workload: Workload, box: Box) -> list[UnitWords]:
    plain = {name: value for name, value in workload.env.items() if not isinstance(value, SecretKey)}
    values = home(workload) | visible_devices(workload.gpus) | resolve(plain, box.url)
    return [UnitWords((f"{name}={value}",)) for name, value in values.items()]


def _user(workload: Workload, box: Box) -> dict[str, Any]:
    if workload.user and not workload.image:
        user, _, group = workload.user.partition(":")
        system = "strict" if workload.read_only_root else "full"
        return {"User": user, **({"Group": group} if group else {}), "ProtectSystem": system}
    owner = {"User": box.user} if box.keeps(workload) else {"DynamicUser": True}
    return owner | {"ProtectSystem": "strict"}
