"""Deployment -> one namespace of a Kubernetes cluster: a kustomize folder per service below kubernetes/.

Hosts of this platform are nodes of one cluster. Needs Kubernetes 1.31 or newer, kustomize 5.
"""

from typing import TYPE_CHECKING, Final

from stackgen.domain.contracts import Rendered, Target
from stackgen.domain.units import MIB

if TYPE_CHECKING:
    from stackgen.domain.delivery import Deploy
    from stackgen.domain.linked import Scheduled
    from stackgen.domain.workload import Deployment


_EVICTION: Final = 100 * MIB
"""Main memory of a node that no pod is granted: what the kubelet keeps free by evicting pods (`evictionHard`).

Its default, as the reference of KubeletConfiguration has it; `kubeReserved` and `systemReserved` have none.
"""


class _Kubernetes:
    name: Final = "kubernetes"
    summary: Final = "Kubernetes by kustomize, for Argo CD, Flux and kubectl"
    platform: Final = True
    handles: Final = frozenset(
        {
            *("name", "engine", "image", "program", "entrypoint", "working_dir", "args"),
            *("env", "config_files", "mounts", "gpus", "watches", "workers", "ports", "listen"),
            *("health", "reload", "after", "exclusive", "expose", "shm_size", "lock_memory", "stop_grace"),
            *("cpu_request", "cpu_limit", "memory_request", "memory_limit"),
            *("read_only_root", "writable", "capabilities", "user", "calls", "offline"),
        }
    )
    rejects: Final = frozenset[str]()

    def scheduled(self, deploy: "Deploy") -> "Scheduled":
        """All that pods request by number; cards that are claimed by name can be shared."""
        counted: Scheduled = {"cpu": 0, "ram": _EVICTION, "amd": 0, "intel": 0}
        return counted if deploy.cluster.gpus == "claims" else {**counted, "nvidia": 0}

    def render(self, deployment: "Deployment") -> Rendered:
        """The objects of all hosts whose platform is kubernetes."""
        # A stack names its platforms long before it is rendered, if it is at all.
        from stackgen.targets.kubernetes.render import render

        return render(deployment)


TARGET: Final[Target] = _Kubernetes()
