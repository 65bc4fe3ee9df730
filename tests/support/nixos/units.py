"""The unit files and scripts that NixOS writes for `systemd.services`, and what the real systemd says of them."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.nixos.options import mistakes
from tests.support.programs import require

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
    """Write units and scripts below a root, with systemd's own units and a stand-in for each program."""
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    root.joinpath("lib").symlink_to("usr/lib")
    for name, unit in found.items():
        _write(root / "etc/systemd/system" / name, unit.text, 0o644)
        for path, text in unit.scripts.items():
            _write(root / path.removeprefix("/"), text)
        for path in re.findall(r"(?m)^Exec\w+=(/\S+)", unit.text):
            if not (root / path.removeprefix("/")).exists():
                _write(root / path.removeprefix("/"), "#!/bin/sh\n")


def _write(file: Path, text: str, mode: int = 0o755) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def verify(name: str, root: Path) -> str:
    """What systemd has to say of an installed unit; nothing is best."""
    options = ("--man=no", "--recursive-errors=yes", f"--root={root}")
    command = [require("systemd-analyze"), "verify", *options, f"/etc/systemd/system/{name}"]
    done = subprocess.run(command, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert said or done.returncode == 0
    return said


def exposure(name: str, root: Path) -> float:
    """How open systemd finds an installed unit: 0 shut in, 10 wide open."""
    options = ("--offline=true", "--no-pager", f"--root={root}")
    command = [require("systemd-analyze"), "security", *options, f"/etc/systemd/system/{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    overall = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert overall, done.stdout
    return float(overall[1])
