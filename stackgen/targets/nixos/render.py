"""The documents of all NixOS hosts, and what NixOS cannot express of them."""

from collections.abc import Iterator
from dataclasses import replace

from stackgen.domain.contracts import Rendered
from stackgen.domain.document import Document, Format, NixFunction, Template
from stackgen.domain.listening import on_hosts
from stackgen.domain.site import sites
from stackgen.domain.systemd import GATE
from stackgen.domain.target_defaults import config_files
from stackgen.domain.workload import Deployment, Listen, Workload
from stackgen.targets.nixos.findings import findings
from stackgen.targets.nixos.machine import MODULES, Machine, address_of
from stackgen.targets.nixos.module import body
from stackgen.targets.nixos.secrets import how_to_keep


def render(deployment: Deployment) -> Rendered:
    """One module for each host whose platform is nixos."""
    machines = sites(Machine, _on_hosts(deployment), "nixos")
    return Rendered(
        documents=tuple(document for machine in machines for document in _documents(machine)),
        diagnostics=tuple(finding for machine in machines for finding in findings(machine)),
    )


def _on_hosts(deployment: Deployment) -> Deployment:
    """The deployment with programs of the host where the stack wants a module of nixpkgs."""
    by_module = deployment.deploy.nixos_modules

    def native(workload: Workload) -> Workload:
        if workload.name not in by_module or workload.engine not in MODULES:
            return workload
        # Every module can be told where to listen.
        return replace(workload, image="", user=None, capabilities=(), listen=workload.listen or Listen())

    hosts = (
        replace(host, workloads=tuple(map(native, host.workloads))) if host.host.platform == "nixos" else host
        for host in deployment.hosts
    )
    return on_hosts(replace(deployment, hosts=tuple(hosts)), address_of)


def _documents(machine: Machine) -> Iterator[Document]:
    yield Document(
        path=machine.folder / "default.nix",
        format=Format.NIX,
        header=(machine.origin, *_how_to_use(machine)),
        body=NixFunction(("config", "lib", "pkgs"), body(machine)),
    )
    yield Document(
        path=machine.folder / "gate.sh",
        format=Format.SHELL,
        header=(machine.origin,),
        body=Template(GATE),
        executable=True,
    )
    for workload in (*machine.workloads, *machine.jobs):
        folder = machine.folder / workload.name
        yield from config_files(workload, folder, machine.origin, machine.url_of(workload))
        secrets = machine.secrets(workload)
        if secrets and not machine.sops:
            yield Document(
                path=folder / "secrets.env.example",
                format=Format.ENV,
                header=(
                    machine.origin,
                    *how_to_keep(workload, machine),
                    *(
                        f"{name}: {secret.key} of the secret {secret.name}"
                        for name, secret in secrets.items()
                    ),
                ),
                body=dict.fromkeys(secrets, ""),
            )


def _how_to_use(machine: Machine) -> Iterator[str]:
    yield f"In the configuration of {machine.name}: imports = [ ./{machine.folder} ];"
    if any(gpu.vendor == "nvidia" for workload in machine.workloads for gpu in workload.gpus):
        yield "The driver is not set up here: hardware.nvidia is the machine's own."
    if machine.sops and any(map(machine.secrets, (*machine.workloads, *machine.jobs))):
        yield "Secrets come from sops-nix: import its module and set sops.defaultSopsFile."
    if machine.agenix and any(map(machine.secrets, (*machine.workloads, *machine.jobs))):
        yield "Secrets come from agenix: the secrets.env.example tell what is in which of them."
    for group, services in machine.deployment.exclusive:
        units = [machine.unit(name) for name in sorted(services) if machine.local(name)]
        if len(units) > 1:
            yield f"Only one of {', '.join(units)} may be up (exclusive group {group}), and none is at boot:"
            yield f"systemctl start {units[0]} stops the others first."
