"""Deployment -> one Docker Compose project per host: compose/<host>/compose.yaml and the files beside it.

Needs Docker Compose 2.20 (dependencies that are not required) and Docker Engine 25 (`start_interval`).
"""

from typing import TYPE_CHECKING, Final

from stackgen.domain.contracts import Rendered, Target

if TYPE_CHECKING:
    from stackgen.domain.delivery import Deploy
    from stackgen.domain.linked import Scheduled
    from stackgen.domain.workload import Deployment


class _Compose:
    name: Final = "compose"
    summary: Final = "Docker Compose, one project per host"
    platform: Final = True
    handles: Final = frozenset(
        {
            *("name", "engine", "image", "program", "entrypoint", "working_dir", "args"),
            *("env", "config_files", "mounts", "gpus", "watches", "ports", "listen"),
            *("health", "reload", "after", "exclusive", "shm_size", "lock_memory", "stop_grace"),
            *("cpu_limit", "memory_limit"),
            *("read_only_root", "writable", "capabilities", "user", "calls", "offline"),
        }
    )
    rejects: Final = frozenset({"expose", "workers", "memory_request", "cpu_request"})

    def scheduled(self, deploy: "Deploy") -> "Scheduled":
        """Nothing: containers start, whatever others have taken."""
        return {}

    def render(self, deployment: "Deployment") -> Rendered:
        """One project for each host whose platform is compose."""
        # A stack names its platforms long before it is rendered, if it is at all.
        from stackgen.targets.compose.render import render

        return render(deployment)


TARGET: Final[Target] = _Compose()
