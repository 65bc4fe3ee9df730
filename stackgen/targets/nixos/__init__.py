"""Deployment -> one NixOS module per host: nixos/<host>/default.nix and the files beside it.

Needs NixOS 25.11: `serviceName`, `networks`, `devices` and `capabilities` of oci-containers, Podman 5.
"""

from typing import TYPE_CHECKING, Final

from stackgen.domain.contracts import Rendered, Target

if TYPE_CHECKING:
    from stackgen.domain.delivery import Deploy
    from stackgen.domain.linked import Scheduled
    from stackgen.domain.workload import Deployment


class _Nixos:
    name: Final = "nixos"
    summary: Final = "NixOS, one module per host"
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
        """Nothing: units start, whatever others have taken."""
        return {}

    def render(self, deployment: "Deployment") -> Rendered:
        """One module for each host whose platform is nixos."""
        # A stack names its platforms long before it is rendered, if it is at all.
        from stackgen.targets.nixos.render import render

        return render(deployment)


TARGET: Final[Target] = _Nixos()
