"""Deployment -> quadlets, of which Podman makes systemd units: quadlet/<host>/.

Needs Podman 5.3 (`Notify=healthy`, `Entrypoint`, `NetworkAlias`, `StopTimeout`) and CDI for NVIDIA cards.
"""

from typing import TYPE_CHECKING, Final

from stackgen.domain.contracts import Rendered, Target

if TYPE_CHECKING:
    from stackgen.domain.delivery import Deploy
    from stackgen.domain.linked import Scheduled
    from stackgen.domain.workload import Deployment


class _Quadlet:
    name: Final = "quadlet"
    summary: Final = "Podman quadlets, for containers that systemd starts"
    platform: Final = True
    handles: Final = frozenset(
        {
            *("name", "engine", "image", "program", "entrypoint", "working_dir", "args"),
            *("env", "config_files", "mounts", "gpus", "watches", "ports", "listen"),
            *("health", "reload", "after", "exclusive", "shm_size", "lock_memory", "stop_grace"),
            *("cpu_request", "cpu_limit", "memory_limit"),
            *("read_only_root", "writable", "capabilities", "user", "calls", "offline"),
        }
    )
    rejects: Final = frozenset({"expose", "workers", "memory_request"})

    def scheduled(self, deploy: "Deploy") -> "Scheduled":
        """Nothing: containers start, whatever others have taken."""
        return {}

    def render(self, deployment: "Deployment") -> Rendered:
        """One folder of quadlets for each host whose platform is quadlet."""
        from stackgen.targets.quadlet.render import render

        return render(deployment)


TARGET: Final[Target] = _Quadlet()
