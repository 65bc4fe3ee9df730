"""Config files in a cluster: under which name, where pods see them, and whether a change of them is a restart."""

from collections.abc import Iterator
from typing import Any, Final

from stackgen.domain.downloads import marker_of
from stackgen.domain.reach import resolve
from stackgen.domain.target_defaults import reload_health
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes.cards import held
from stackgen.targets.kubernetes.cluster import Cluster
from stackgen.targets.kubernetes.text import digest, fitted, hashed

CONFIG: Final = "config"
"""The volume with them in a pod."""
WEIGHTS: Final = "weights.list"
"""The file among them that tells which weights the others need."""


def config_map(workload: Workload, cluster: Cluster) -> str:
    """The name of its files. kustomize adds a hash to it, so that a change restarts the pods, unless they reload.

    It does not know where a LeaderWorkerSet names it; there, the hash is ours.
    """
    name = f"{workload.name}-config"
    if workload.workers is None:
        return name
    files = [(file.name, resolve(file.body, cluster.url)) for file in workload.config_files]
    return hashed(name, files)


def alone(workload: Workload) -> bool:
    """Whether the next pod must wait until the last one is gone: it holds a card, or writes to its volumes."""
    return bool(held(workload)) or any(not mount.read_only for mount in workload.mounts)


def reloads(workload: Workload) -> bool:
    """Whether its pod reads changed files anew; where a second one can start beside it, a rollout does no harm."""
    return reload_health(workload) is not None and workload.workers is None and alone(workload)


def weights(workload: Workload, cluster: Cluster) -> list[tuple[str, str]]:
    """(volume in the pod, file in it that is there once all weights are) for each download that it waits for."""
    jobs = cluster.downloads_before(workload)
    return [(volume_name(job.volume), marker_of(job.workload)) for job in jobs]


def listed_weights(workload: Workload, cluster: Cluster) -> list[str]:
    """The lines of a file beside the others, for a pod that need not start anew to get more weights."""
    return [" ".join(line) for line in weights(workload, cluster)] if reloads(workload) else []


def volume_name(volume: str) -> str:
    """The name of a volume inside a pod, which no other kind of mount has."""
    return fitted(f"volume-{volume}")


def fixed(workload: Workload) -> dict[str, str]:
    """The annotation of pods that changes with what a reload does not take over."""
    kept = workload.reload.fixed if workload.reload and reloads(workload) else ()
    return {"stackgen/read-at-start": digest(kept)} if kept else {}


def config_mounts(workload: Workload) -> Iterator[dict[str, Any]]:
    """Where the program sees them: its own folders if it reloads, for a mount of one file never changes."""
    if reloads(workload):
        for folder in sorted({file.target.parent for file in workload.config_files}):
            yield {"name": CONFIG, "mountPath": str(folder), "readOnly": True}
        return
    for file in workload.config_files:
        yield {"name": CONFIG, "mountPath": str(file.target), "subPath": file.name, "readOnly": True}
