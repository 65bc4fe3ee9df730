"""What a stack asks for and Docker Compose cannot give, or what would fail only when it starts."""

from collections.abc import Iterator

from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.host_findings import mount_options
from stackgen.domain.target_defaults import (
    after_elsewhere,
    container_user,
    exposed,
    gpus_left_out,
    spread,
    unreachable,
    unreserved,
)
from stackgen.domain.units import show_cpus
from stackgen.domain.workload import Workload
from stackgen.targets.compose.project import Project


def findings(project: Project) -> Iterator[Diagnostic]:
    """Everything that is wrong with one host's project."""
    for workload in project.workloads:
        yield from _no_image(workload)
        yield from unreachable(workload, project, project.address)
        yield from exposed(workload, project)
        yield from spread(workload)
        yield from unreserved(workload, {"ram": workload.memory_request, "cpus": workload.cpu_request})
        yield from _more_cpus(workload, project)
        yield from _gpus(workload, project)
        yield from container_user(workload)
        yield from after_elsewhere(workload, project)
    yield from _same_variable(project)
    yield from _same_profile(project)
    yield from mount_options(project, "the fstab")


def _no_image(workload: Workload) -> Iterator[Diagnostic]:
    if not workload.image:
        message = f"`{workload.name}` names no image, and compose runs nothing else"
        yield error("compose/no-image", workload.path, message, "image: registry/name:version")


def _more_cpus(workload: Workload, project: Project) -> Iterator[Diagnostic]:
    limit, there = workload.cpu_limit, project.host.host.cpus
    if limit is not None and there is not None and limit > there:
        yield error(
            "compose/cpu-limit",
            (*workload.path, "cpus"),
            f"Docker creates no container that may take {show_cpus(limit)} CPUs of a machine with {show_cpus(there)}",
            f"at most {show_cpus(there)}",
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
        yield from gpus_left_out(workload, project, vendor)


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


def _same_profile(project: Project) -> Iterator[Diagnostic]:
    switched = {workload.name for workload in project.switched}
    for scenario, loaded in project.scenarios.items():
        if scenario in switched and {scenario} != switched & set(loaded):
            yield error(
                "compose/same-profile",
                ("scenarios", scenario),
                f"the profile `{scenario}` would start the service of that name and what the scenario loads",
                "rename the scenario",
            )
