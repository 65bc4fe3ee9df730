"""Services that Helm installs by somebody else's chart, in place of a Deployment and a Service of ours."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.data import load_toml
from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes import gitops, ollama_chart
from stackgen.targets.kubernetes.cluster import PLATFORM, Cluster, turns
from stackgen.targets.kubernetes.controller import controller
from stackgen.targets.kubernetes.ollama_chart import Values
from stackgen.targets.kubernetes.text import fitted

VALUES: Final = "values.yaml"
_VALUES: Final[Mapping[str, Callable[[Mapping[str, Any]], Values]]] = {"ollama": ollama_chart.values}
"""What each chart of the table is told of a Deployment, by engine."""
_LONGEST_RELEASE: Final = 53
"""Characters that Helm allows for the name of a release."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """What installs a service."""

    name: str
    repository: str
    version: str


def chart(workload: Workload, cluster: Cluster) -> Chart | None:
    """The chart of a service, if the stack asks for it and there is one."""
    asked, known = cluster.installed.charts.get(workload.name), load_toml("charts").get(workload.engine)
    if asked is None or known is None:
        return None
    return Chart(
        name=known["chart"], repository=known["repository"], version=asked.version or known["version"]
    )


def release(workload: Workload, found: Chart, cluster: Cluster) -> list[dict[str, Any]]:
    """The objects that make Argo CD or Flux install it; nothing where people do that by hand."""
    match cluster.deployment.deploy.gitops:
        case "argocd":
            return [_application(workload, found, cluster)]
        case "flux":
            return [_repository(workload, found, cluster), _release(workload, found, cluster)]
        case _:
            return []


def values(workload: Workload, cluster: Cluster) -> Values:
    """What the chart is told."""
    if workload.workers is not None:
        return Values({}, ("workers",))
    return _VALUES[workload.engine](controller(workload, cluster))


def command(workload: Workload, found: Chart, cluster: Cluster) -> Iterator[str]:
    """How people install it themselves, as a comment."""
    yield "Helm installs it, once everything else is applied:"
    yield (
        f"  helm upgrade --install {workload.name} {found.name} --repo {found.repository} --version {found.version} "
        f"--namespace {cluster.namespace} -f {PurePosixPath(workload.name, VALUES)}"
    )


def _application(workload: Workload, found: Chart, cluster: Cluster) -> dict[str, Any]:
    source = {
        "repoURL": found.repository,
        "chart": found.name,
        "targetRevision": found.version,
        "helm": {"releaseName": workload.name, "valuesObject": values(workload, cluster).values},
    }
    made = gitops.application(
        cluster, fitted(f"{cluster.deployment.name}-{workload.name}"), source, annotations=turns(workload)
    )
    # Without it, what the chart has made would stay when the chart is given up.
    made["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
    return made


def _repository(workload: Workload, found: Chart, cluster: Cluster) -> dict[str, Any]:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "HelmRepository",
        "metadata": cluster.meta(workload.name, cluster.labels(workload)),
        "spec": {"interval": "24h", "url": found.repository},
    }


def _release(workload: Workload, found: Chart, cluster: Cluster) -> dict[str, Any]:
    # Its pods may wait for a download of hours, which is no reason to undo the release.
    patient = {"disableWait": True, "remediation": {"retries": 3}}
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": cluster.meta(workload.name, cluster.labels(workload), annotations=turns(workload)),
        "spec": {
            "interval": "1h",
            "releaseName": workload.name,
            "chart": {
                "spec": {
                    "chart": found.name,
                    "version": found.version,
                    "sourceRef": {"kind": "HelmRepository", "name": workload.name},
                }
            },
            "install": patient,
            "upgrade": patient,
            "driftDetection": {"mode": "enabled"},
            "values": values(workload, cluster).values,
        },
    }


def findings(cluster: Cluster) -> Iterator[Diagnostic]:
    """Charts that there are not, and what those that there are cannot do."""
    for name in cluster.installed.charts:
        path = ("deploy", "cluster", "charts", name)
        if name not in cluster.places:
            yield error("kubernetes/no-chart", path, f"there is no service `{name}`", "leave it out")
        elif (workload := cluster.local(name)) is None:
            platform = cluster.places[name].host.platform
            message = f"`{name}` runs on a host of the platform {platform}, where Helm installs nothing"
            yield error("kubernetes/no-chart", path, message, f"leave it out, or platform: {PLATFORM}")
        elif (found := chart(workload, cluster)) is None:
            yield error(
                "kubernetes/no-chart",
                path,
                f"no chart is known for the engine `{workload.engine}` of `{name}`",
                f"charts are known for {', '.join(load_toml('charts'))}; leave it out for objects of our own",
            )
        else:
            yield from _version(workload, found, (*path, "version"))
            yield from _limits(workload, cluster, path)


def _version(workload: Workload, found: Chart, path: tuple[str, ...]) -> Iterator[Diagnostic]:
    known = load_toml("charts")[workload.engine]
    asked, oldest, newest = (_number(v) for v in (found.version, known["oldest"], known["version"]))
    if asked < oldest or asked[0] > newest[0]:
        yield error(
            "kubernetes/chart-version",
            path,
            f"{found.version} of the chart `{found.name}` may read other values than these, and would not say so",
            f"version: {known['oldest']} to {known['version']}, or a later {newest[0]}.x",
        )


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _limits(workload: Workload, cluster: Cluster, path: tuple[str, ...]) -> Iterator[Diagnostic]:
    if len(workload.name) > _LONGEST_RELEASE:
        yield error(
            "kubernetes/name",
            workload.path,
            f"`{workload.name}` has {len(workload.name)} characters, and the name of a Helm release at most "
            f"{_LONGEST_RELEASE}",
            "rename the service",
        )
    for field in values(workload, cluster).lacking:
        yield error(
            "kubernetes/chart-lacks",
            path,
            f"the chart has no value for `{field}`, which `{workload.name}` needs",
            f"leave `{workload.name}` out, for objects of our own",
        )
