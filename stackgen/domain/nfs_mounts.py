"""NFS volumes as mount units, which systemd pulls in for the services that need them."""

from typing import Any

from stackgen.domain.systemd import path_name
from stackgen.domain.unit_host import UnitHost

_NETWORK = "network-online.target"


def mounts(host: UnitHost) -> dict[str, dict[str, Any]]:
    """The mount units of a host by name. None starts at boot, so that a NAS that is down does not hold it up."""
    found: dict[str, dict[str, Any]] = {}
    for name, volume in host.volumes.items():
        if volume.nfs and (folder := host.folder_of(name)):
            found[f"{path_name(folder)}.mount"] = {
                "Unit": {
                    "Description": f"{name} of {host.deployment.name}",
                    "Wants": _NETWORK,
                    "After": _NETWORK,
                },
                "Mount": {
                    "What": volume.nfs,
                    "Where": folder,
                    "Type": "nfs",
                    "Options": ",".join(("_netdev", *volume.mount_options)),
                    "TimeoutSec": 30,
                },
            }
    return found
