"""The unit files and scripts that NixOS writes for `systemd.services`, and what the real systemd says of them."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.nixos.options import mistakes
from tests.support.programs import require
from tests.support.unitroot import root_with, write

STORE: Final = "/nix/store/" + "0" * 32
_HERE: Final = Path(__file__).parent
# Facts: NixOS/nixpkgs, nixos/lib/systemd-lib.nix.
_LISTS: Final = {
    "requires": "Requires",
    "wants": "Wants",
    "after": "After",
    "before": "Before",
    "conflicts": "Conflicts",
}
_TOP: Final = {
    "description": "Description",
    "startLimitIntervalSec": "StartLimitIntervalSec",
    "startLimitBurst": "StartLimitBurst",
}
_SCRIPTS: Final = {
    "preStart": ("ExecStartPre", "pre-start"),
    "script": ("ExecStart", "start"),
    "postStart": ("ExecStartPost", "post-start"),
    "preStop": ("ExecStop", "pre-stop"),
    "postStop": ("ExecStopPost", "post-stop"),
}


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit file with the scripts that it runs, by their path."""

    text: str
    scripts: Mapping[str, str] = field(default_factory=dict)


def evaluate(module: Path) -> Any:
    """What a module sets together with NixOS; fails on any mistake that NixOS would refuse."""
    state = ("NIX_STATE_DIR", "NIX_STORE_DIR", "NIX_LOG_DIR", "NIX_CONF_DIR", "HOME")
    own = {**dict.fromkeys(state, str(module.parent)), "PATH": os.environ["PATH"]}
    program = require("nix-instantiate")
    command = [program, "--eval", "--strict", "--json", str(_HERE / "evaluate.nix")]
    done = subprocess.run(
        [*command, "--argstr", "file", str(module)], capture_output=True, text=True, env=own
    )
    assert done.returncode == 0, done.stderr
    config = json.loads(done.stdout)
    found = list(mistakes(config))
    assert not found, "; ".join(found)
    return config


def units(config: Any) -> dict[str, Unit]:
    """Every service as NixOS writes it."""
    return {
        f"{name}.service": _unit(name, service) for name, service in config["systemd"]["services"].items()
    }


def _unit(name: str, service: Mapping[str, Any]) -> Unit:
    head = dict(service.get("unitConfig", {}))
    head |= {key: " ".join(service[option]) for option, key in _LISTS.items() if service.get(option)}
    head |= {key: service[option] for option, key in _TOP.items() if option in service}
    body = dict(service.get("serviceConfig", {}))
    scripts = {}
    for option, (key, suffix) in _SCRIPTS.items():
        if text := service.get(option):
            path = f"{STORE}-unit-script-{name}-{suffix}/bin/{name}-{suffix}"
            scripts[path] = f"#!/bin/sh\nset -e\n\n{text}\n"
            before = body.get(key, [])
            assert option != "script" or not before, f"{name}: both script and ExecStart"
            body[key] = [*(before if isinstance(before, list) else [before]), path]
    text = f"[Unit]\n{_settings(head)}\n[Service]\n{_environment(service)}{_settings(body)}"
    if service.get("wantedBy"):
        text += f"\n[Install]\nWantedBy={' '.join(service['wantedBy'])}\n"
    return Unit(text=text, scripts=scripts)


def _settings(section: Mapping[str, Any]) -> str:
    return "".join(
        f"{key}={str(item).lower() if isinstance(item, bool) else item}\n"
        for key, value in sorted(section.items())
        for item in (value if isinstance(value, list) else [value])
    )


def _environment(service: Mapping[str, Any]) -> str:
    basic = [f"{STORE}-{name}" for name in ("coreutils", "findutils", "gnugrep", "gnused", "systemd")]
    path = [*service.get("path", []), *basic]
    found = {"PATH": ":".join(f"{p}/bin" for p in path), **service.get("environment", {})}
    return "".join(
        f"Environment={json.dumps(f'{name}={value}', ensure_ascii=False)}\n"
        for name, value in sorted(found.items())
    )


def install(found: Mapping[str, Unit], root: Path) -> None:
    """Write units and scripts below a root."""
    for unit in found.values():
        for path, text in unit.scripts.items():
            write(root / path.removeprefix("/"), text)
    root_with({name: unit.text for name, unit in found.items()}, root)
