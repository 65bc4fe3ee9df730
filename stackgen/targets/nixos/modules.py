"""Services by the modules that nixpkgs has for them: a module starts the program, and its unit gets the same gate.

Facts: NixOS/nixpkgs, nixos/modules/services/misc/{llama-cpp,ollama,litellm,open-webui}.nix, as of NixOS 26.05.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from stackgen.domain.document import NixExpr
from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import resolve
from stackgen.domain.systemd import shut_in
from stackgen.domain.target_defaults import present
from stackgen.domain.workload import Workload
from stackgen.targets.nixos.machine import Machine, address_of
from stackgen.targets.nixos.native import environment
from stackgen.targets.nixos.nixtext import forced
from stackgen.targets.nixos.secrets import environment_files
from stackgen.targets.nixos.unit import common, settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Which options of a module take what a workload says."""

    config: str | None = None
    """The one that holds the config file."""
    config_flag: str | None = None
    """The argument that would name the config file, which the module gives itself."""
    flags: str | None = None
    """The one for further arguments."""
    own: frozenset[str] = frozenset()
    """Variables that the module sets."""


OPTIONS: Final[Mapping[str, Options]] = {
    "llama-cpp": Options(
        config="modelsPreset",
        config_flag="--models-preset",
        flags="extraFlags",
        own=frozenset({"LLAMA_ARG_HOST", "LLAMA_ARG_PORT"}),
    ),
    "ollama": Options(own=frozenset({"HOME", "OLLAMA_HOST", "OLLAMA_MODELS"})),
    "litellm": Options(config="settings"),
    "open-webui": Options(own=frozenset({"DATA_DIR", "HF_HOME", "HOST", "PORT", "STATIC_DIR"})),
}
_WINS: Final = ("Restart", "RestartSec", "TimeoutStartSec", "TimeoutStopSec")
"""What some of them set, and we know better."""
_FROM_OURS: Final = (
    "CPUWeight",
    "CPUQuota",
    "MemoryMax",
    "LimitMEMLOCK",
    "BindReadOnlyPaths",
    "TemporaryFileSystem",
    "DeviceAllow",
)
"""What no module sets, and what adds to a list of its own."""


def by_module(workload: Workload, machine: Machine, module: str) -> dict[str, Any]:
    """What stands below `services.<module>`."""
    options = OPTIONS[module]
    flags = list(workload.args)
    if options.config_flag in flags:
        at = flags.index(options.config_flag)
        del flags[at : at + 2]
    bodies = [resolve(file.body, machine.url_of(workload)) for file in workload.config_files]
    return {
        "enable": True,
        "host": address_of(machine.host, workload),
        "port": workload.ports[0].number,
        **({options.flags: flags} if options.flags and flags else {}),
        **({options.config: bodies[0]} if options.config and bodies else {}),
    }


def around_module(workload: Workload, machine: Machine, module: str) -> dict[str, Any]:
    """What is added to the unit of a module: order, gate, secrets, limits, and where its volumes appear."""
    unit = common(workload, machine)
    del unit["description"]
    ours = settings(shut_in(workload, machine))
    secret = {name for name, value in workload.env.items() if isinstance(value, SecretKey)}
    variables = {
        name: value
        for name, value in environment(workload, machine).items()
        if name not in OPTIONS[module].own | secret
    }
    service: dict[str, Any] = {key: forced(ours[key]) for key in _WINS}
    service |= {key: ours[key] for key in _FROM_OURS if key in ours}
    service |= present({"EnvironmentFile": environment_files(workload, machine)})
    return present(
        unit
        | {
            "wantedBy": NixExpr("lib.mkForce [ ]") if workload.exclusive else None,
            "environment": {name: forced(value) for name, value in variables.items()},
            "serviceConfig": service,
        }
    )
