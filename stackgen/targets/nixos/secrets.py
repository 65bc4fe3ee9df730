"""Secrets by reference: what sops-nix puts together, a file that agenix decrypts, or one that somebody keeps there."""

from typing import Any

from stackgen.domain.document import NixExpr
from stackgen.domain.linked import SecretKey
from stackgen.domain.target_defaults import present
from stackgen.domain.workload import Workload
from stackgen.emit.nix import string
from stackgen.targets.nixos.machine import Machine
from stackgen.targets.nixos.nixtext import interpolated


def environment_files(workload: Workload, machine: Machine) -> list[str | NixExpr]:
    """Files with `NAME=value` lines; nothing of them is in the store, which everybody can read."""
    if not machine.secrets(workload):
        return []
    if machine.sops:
        return [NixExpr(f"config.sops.templates.{string(_template(workload, machine))}.path")]
    if machine.agenix:
        return [NixExpr(f"config.age.secrets.{string(_template(workload, machine))}.path")]
    return [machine.environment_file(workload)]


def how_to_keep(workload: Workload, machine: Machine) -> tuple[str, ...]:
    """What to do with the file of a service that is filled in."""
    if machine.agenix:
        name = string(_template(workload, machine))
        return (
            f"Encrypt it with agenix, each line with its value, without quotes, and set age.secrets.{name}.file",
            f"in the configuration of {machine.name}.",
        )
    return (
        f"Copy it to {machine.environment_file(workload)} on {machine.name}, with mode 600 and",
        "owner root, and give each line its value, without quotes.",
    )


def sops(machine: Machine) -> dict[str, Any]:
    """The part of sops-nix: which entries it decrypts, and a file per service made of them."""
    programs = (*machine.workloads, *machine.jobs) if machine.sops else ()
    users = {w.name: w for w in programs if machine.secrets(w)}
    entries = sorted({_entry(secret) for w in users.values() for secret in machine.secrets(w).values()})
    return present(
        {
            "secrets": {entry: {} for entry in entries},
            "templates": {
                _template(workload, machine): {
                    "content": interpolated(*_lines(workload, machine)),
                    "restartUnits": [f"{machine.unit(workload.name)}.service"],
                }
                for workload in users.values()
            },
        }
    )


def _lines(workload: Workload, machine: Machine) -> list[str | NixExpr]:
    parts: list[str | NixExpr] = []
    for name, secret in machine.secrets(workload).items():
        parts += [f"{name}=", NixExpr(f"config.sops.placeholder.{string(_entry(secret))}"), "\n"]
    return parts


def _entry(secret: SecretKey) -> str:
    """sops-nix reads `/` as a level of the encrypted file."""
    return f"{secret.name}/{secret.key}"


def _template(workload: Workload, machine: Machine) -> str:
    return f"{machine.unit(workload.name)}.env"
