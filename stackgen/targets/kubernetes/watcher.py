"""Beside a program that reads its config files anew when asked: a container that asks it to once they changed.

It watches the mount that the program sees, waits for weights that are still on their way, and its readiness is
whether the program took what is there. Its image has a shell and curl, and nothing that a runtime for graphics
cards would look for.
"""

from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain.downloads import IMAGE
from stackgen.domain.target_defaults import health_url, present, reload_health
from stackgen.domain.workload import Workload
from stackgen.targets.kubernetes.cluster import Cluster
from stackgen.targets.kubernetes.config import CONFIG, reloads, weights
from stackgen.targets.kubernetes.container import TMP, closed, environment
from stackgen.targets.kubernetes.text import literal

NAME: Final = "reload"
SCRIPT: Final = "reload.sh"
_AT: Final = PurePosixPath("/reload")
_FILES: Final = PurePosixPath("/config")
_VOLUMES: Final = PurePosixPath("/volumes")
_MEMORY: Final = {"memory": "32Mi"}


def script_map(workload: Workload) -> str:
    """The name of its script; kustomize adds a hash to it."""
    return f"{workload.name}-{NAME}"


def watchers(workload: Workload, cluster: Cluster) -> list[dict[str, Any]]:
    """The container, if the program reloads."""
    asked = reload_health(workload)
    if workload.reload is None or asked is None or not reloads(workload):
        return []
    key = workload.reload.key
    script = ["sh", str(_AT / SCRIPT)]
    return [
        present(
            {
                "name": NAME,
                "image": IMAGE,
                "command": [*script, "watch", literal(health_url(asked)), str(_FILES), str(_VOLUMES)],
                "env": environment({"RELOAD_KEY": workload.env[key]} if key else {}, cluster),
                "resources": {"requests": dict(_MEMORY), "limits": dict(_MEMORY)},
                "readinessProbe": {
                    "exec": {"command": [*script, "state"]},
                    "timeoutSeconds": 5,
                    "periodSeconds": 10,
                    "failureThreshold": 1,
                },
                "securityContext": closed((), read_only=True),
                "volumeMounts": [
                    {"name": CONFIG, "mountPath": str(_FILES), "readOnly": True},
                    *(
                        {"name": name, "mountPath": str(_VOLUMES / name), "readOnly": True}
                        for name, _ in weights(workload, cluster)
                    ),
                    {"name": NAME, "mountPath": str(_AT), "readOnly": True},
                    {"name": f"{NAME}-state", "mountPath": str(TMP)},
                ],
            }
        )
    ]


def watcher_volumes(workload: Workload) -> list[dict[str, Any]]:
    """What it has besides the files that it watches."""
    if not reloads(workload):
        return []
    return [
        {"name": NAME, "configMap": {"name": script_map(workload)}},
        {"name": f"{NAME}-state", "emptyDir": {}},
    ]
