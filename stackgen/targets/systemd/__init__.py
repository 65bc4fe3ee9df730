"""Deployment -> systemd units for a host without containers and without Nix: systemd/<host>/.

Programs are the host's own, found in /usr/local/bin or /usr/bin. Needs systemd 250 (`%d`).
"""

from typing import TYPE_CHECKING, Final

from stackgen.domain.contracts import Rendered, Target

if TYPE_CHECKING:
    from stackgen.domain.delivery import Deploy
    from stackgen.domain.linked import Scheduled
    from stackgen.domain.workload import Deployment


class _Systemd:
    name: Final = "systemd"
    summary: Final = "systemd units for programs of the host, without containers"
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
        """Nothing: programs start, whatever others have taken."""
        return {}

    def render(self, deployment: "Deployment") -> Rendered:
        """One folder of units for each host whose platform is systemd."""
        from stackgen.targets.systemd.render import render

        return render(deployment)


TARGET: Final[Target] = _Systemd()
