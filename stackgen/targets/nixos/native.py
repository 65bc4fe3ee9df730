"""Workload -> a plain entry of `systemd.services`, shut in as far as CUDA survives it.

The mount namespace of the unit puts volumes and config files where the program expects them.
"""

from typing import Any

from stackgen.domain.document import NixExpr, UnitArgv
from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import resolve
from stackgen.domain.systemd import home, shut_in, until_it_answers
from stackgen.domain.target_defaults import of_vendor, present, visible_devices
from stackgen.domain.workload import Workload
from stackgen.emit import shell
from stackgen.emit.unit import command, literal
from stackgen.targets.nixos.findings import why_not_native
from stackgen.targets.nixos.machine import Machine
from stackgen.targets.nixos.nixtext import interpolated
from stackgen.targets.nixos.secrets import environment_files
from stackgen.targets.nixos.unit import common, settings


def native(workload: Workload, machine: Machine) -> dict[str, Any]:
    """The whole unit of a program that needs no image."""
    unit = common(workload, machine)
    health = workload.health
    return present(
        unit
        | {
            "wantedBy": None if workload.exclusive else ["multi-user.target"],
            "environment": environment(workload, machine),
            "path": [*unit.get("path", ()), *([NixExpr("pkgs.curl")] if health else [])],
            # The unit counts as started, and what waits for it starts, when the program answers.
            "postStart": f"{shell.join(until_it_answers(health))}\n" if health else None,
            "serviceConfig": _service(workload, machine),
        }
    )


def _service(workload: Workload, machine: Machine) -> dict[str, Any]:
    runnable = why_not_native(workload) is None
    closed = settings(shut_in(workload, machine))
    files = [
        interpolated(machine.source(file, workload), f":{file.target}") for file in workload.config_files
    ]
    return present(
        {
            "Type": "exec",
            "ExecStart": command(UnitArgv((workload.program, *workload.args))) if runnable else None,
            "EnvironmentFile": environment_files(workload, machine),
            **closed,
            "BindReadOnlyPaths": [*closed.get("BindReadOnlyPaths", ()), *files],
            **_user(workload),
        }
    )


def environment(workload: Workload, machine: Machine) -> dict[str, str]:
    """The variables of a program of the host that are no secrets."""
    plain = {name: value for name, value in workload.env.items() if not isinstance(value, SecretKey)}
    visible = visible_devices(workload.gpus)
    if of_vendor(workload.gpus, "nvidia"):
        visible |= {"LD_LIBRARY_PATH": "/run/opengl-driver/lib"}
    # NixOS quotes what stands here, but systemd still looks for specifiers in it.
    return {
        n: literal(v)
        for n, v in (home(workload) | visible | resolve(plain, machine.url_of(workload))).items()
    }


def _user(workload: Workload) -> dict[str, Any]:
    if workload.user is None:
        return {"DynamicUser": True, "ProtectSystem": "strict"}
    user, _, group = workload.user.partition(":")
    system = "strict" if workload.read_only_root else "full"
    return {"User": user, **({"Group": group} if group else {}), "ProtectSystem": system}
