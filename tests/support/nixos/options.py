"""Which options a generated module may set, with the types that NixOS 25.11 and sops-nix declare for them."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Check = Callable[[Any], bool]
Schema = Check | Mapping[str, "Schema"]

ANY_NAME: Final = "<name>"
_UNIT = re.compile(r"[a-zA-Z0-9@%:_.\\-]+[.](service|socket|mount|automount|target|timer|slice)")


def text(value: Any) -> bool:
    return isinstance(value, str)


def line(value: Any) -> bool:
    return isinstance(value, str) and "\n" not in value.rstrip("\n")


def integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def boolean(value: Any) -> bool:
    return isinstance(value, bool)


def port(value: Any) -> bool:
    return integer(value) and 0 <= value <= 65535


def absolute(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/")


def unit_name(value: Any) -> bool:
    return isinstance(value, str) and _UNIT.fullmatch(value) is not None


def setting(value: Any) -> bool:
    """A value of `unitConfig` or `serviceConfig`."""
    scalars = value if isinstance(value, list) else [value]
    return all(isinstance(item, str | int | float | bool) for item in scalars)


def one_of(*words: str) -> Check:
    return lambda value: value in words


def list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


_PORTS: Schema = {"allowedTCPPorts": list_of(port), "allowedUDPPorts": list_of(port)}

SERVICE: Final[Mapping[str, Schema]] = {
    "description": line,
    **dict.fromkeys(("after", "before", "wants", "requires", "conflicts", "wantedBy"), list_of(unit_name)),
    "unitConfig": {ANY_NAME: setting},
    "serviceConfig": {ANY_NAME: setting},
    "startLimitIntervalSec": integer,
    "startLimitBurst": integer,
    "environment": {ANY_NAME: text},
    "path": list_of(absolute),
    **dict.fromkeys(("script", "preStart", "postStart", "preStop", "postStop"), text),
}

CONTAINER: Final[Mapping[str, Schema]] = {
    **dict.fromkeys(("serviceName", "image", "entrypoint", "workdir", "user"), line),
    "autoStart": boolean,
    **dict.fromkeys(("cmd", "extraOptions", "networks", "ports", "volumes", "devices"), list_of(text)),
    "environment": {ANY_NAME: text},
    "environmentFiles": list_of(absolute),
    "labels": {ANY_NAME: text},
    "capabilities": {ANY_NAME: boolean},
    "podman": {"sdnotify": one_of("conmon", "healthy", "container"), "user": text},
}


def anything(value: Any) -> bool:
    return True


_LISTENS: Final[Mapping[str, Schema]] = {"enable": boolean, "host": text, "port": port}

OPTIONS: Final[Schema] = {
    "services": {
        "litellm": {**_LISTENS, "settings": {ANY_NAME: anything}},
        "llama-cpp": {
            **_LISTENS,
            "extraFlags": list_of(text),
            "modelsPreset": {ANY_NAME: {ANY_NAME: anything}},
        },
        "ollama": _LISTENS,
        "open-webui": _LISTENS,
    },
    "virtualisation": {
        "oci-containers": {"backend": one_of("podman", "docker"), "containers": {ANY_NAME: CONTAINER}}
    },
    "hardware": {
        "nvidia-container-toolkit": {
            "enable": boolean,
            "device-name-strategy": one_of("index", "uuid", "type-index"),
        }
    },
    "systemd": {"services": {ANY_NAME: SERVICE}},
    "fileSystems": {ANY_NAME: {"device": line, "fsType": line, "options": list_of(line)}},
    "networking": {
        "firewall": {"allowedTCPPorts": list_of(port), "interfaces": {ANY_NAME: _PORTS}},
    },
    "sops": {
        "secrets": {ANY_NAME: {}},
        "templates": {ANY_NAME: {"content": text, "restartUnits": list_of(unit_name)}},
    },
}


def mistakes(config: Any, schema: Schema = OPTIONS, path: str = "") -> Iterator[str]:
    """What NixOS would refuse: options that do not exist, and values of a wrong type."""
    if callable(schema):
        if not schema(config):
            yield f"{path} has a value of the wrong type: {config!r:.80}"
        return
    for name, value in config.items():
        below = schema.get(name, schema.get(ANY_NAME))
        if below is None:
            yield f"there is no option {path}.{name}".replace(" .", " ")
        else:
            yield from mistakes(value, below, f"{path}.{name}".removeprefix("."))
