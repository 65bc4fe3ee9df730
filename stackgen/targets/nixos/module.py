"""The body of one host's NixOS module, as plain attribute sets."""

from typing import Any, Final

from stackgen.domain.document import NixExpr
from stackgen.domain.target_defaults import present
from stackgen.domain.workload import Workload
from stackgen.emit import shell
from stackgen.targets.nixos.container import container
from stackgen.targets.nixos.download import download
from stackgen.targets.nixos.machine import Machine, called_by_containers, is_native
from stackgen.targets.nixos.modules import around_module, by_module
from stackgen.targets.nixos.native import native
from stackgen.targets.nixos.secrets import sops
from stackgen.targets.nixos.unit import around_container

_NFS: Final = ("_netdev", "noauto", "x-systemd.automount", "x-systemd.mount-timeout=30s")
"""Mounted on first use: a NAS that is down holds up the programs that need it, and not the boot."""


def body(machine: Machine) -> dict[str, Any]:
    """Everything that the stack sets on this host."""
    return present(
        {
            "virtualisation": _virtualisation(machine),
            "hardware": _hardware(machine),
            "services": _modules(machine),
            "systemd": present({"services": _services(machine)}),
            "fileSystems": _file_systems(machine),
            "networking": _networking(machine),
            "sops": sops(machine),
        }
    )


def _virtualisation(machine: Machine) -> dict[str, Any]:
    containers = {machine.unit(w.name): container(w, machine) for w in machine.containers}
    return {"oci-containers": {"backend": "podman", "containers": containers}} if containers else {}


def _hardware(machine: Machine) -> dict[str, Any]:
    if not any(gpu.vendor == "nvidia" for w in machine.containers for gpu in w.gpus):
        return {}
    strategy = {"device-name-strategy": "uuid"} if machine.cdi_by_uuid else {}
    return {"nvidia-container-toolkit": {"enable": True, **strategy}}


def _services(machine: Machine) -> dict[str, Any]:
    network = {f"{machine.deployment.name}-network": _network(machine)} if machine.containers else {}
    return (
        network
        | {machine.unit(w.name): _service(w, machine) for w in machine.workloads}
        | {machine.unit(job.name): download(job, machine) for job in machine.jobs}
    )


def _modules(machine: Machine) -> dict[str, Any]:
    found = ((w, machine.module(w.name)) for w in machine.workloads)
    return {module: by_module(w, machine, module) for w, module in found if module and w.ports}


def _service(workload: Workload, machine: Machine) -> dict[str, Any]:
    if module := machine.module(workload.name):
        return around_module(workload, machine, module)
    return native(workload, machine) if is_native(workload) else around_container(workload, machine)


def _network(machine: Machine) -> dict[str, Any]:
    exists = shell.join(("podman", "network", "exists", machine.network))
    interface = f"--interface-name={machine.bridge}"
    create = shell.join(("podman", "network", "create", interface, machine.network))
    return {
        "description": f"the container network of {machine.deployment.name}",
        "path": [NixExpr("config.virtualisation.podman.package")],
        "script": f"{exists} || {create}\n",
        "serviceConfig": {"Type": "oneshot", "RemainAfterExit": True},
    }


def _file_systems(machine: Machine) -> dict[str, Any]:
    found = {}
    for name, volume in machine.volumes.items():
        if volume.nfs and (folder := machine.folder_of(name)):
            options = [*_NFS, *volume.mount_options]
            found[folder] = {"device": volume.nfs, "fsType": "nfs", "options": options}
    return found


def _networking(machine: Machine) -> dict[str, Any]:
    published = {
        port.publish.port
        for w in machine.workloads
        for port in w.ports
        if port.publish and not port.publish.loopback
    }
    called = called_by_containers(machine.host)
    ports = {w.ports[0].number for w in machine.workloads if w.name in called and is_native(w) and w.ports}
    # Containers ask Podman's name server on their bridge, and call some of the native services.
    bridge = present({"allowedUDPPorts": [53], "allowedTCPPorts": sorted(ports)})
    interfaces = {machine.bridge: bridge} if machine.containers else {}
    firewall = present({"allowedTCPPorts": sorted(published), "interfaces": interfaces})
    return present({"firewall": firewall})
