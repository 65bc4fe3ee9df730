"""The nearest right spelling of something that has to have a certain form, for hints; None when there is none."""

import re
from collections.abc import Collection, Mapping
from typing import Final

_FOREIGN: Final[Mapping[str, tuple[str, str]]] = {
    "ports": ("publish", "did you mean `publish`, as in `publish: 8080`?"),
    "environment": ("env", "did you mean `env`?"),
    "repo": ("hf", "write `hf: owner/repo:Q4_K_M`"),
    "repository": ("hf", "write `hf: owner/repo:Q4_K_M`"),
    "quant": ("hf", "it stands behind the repository: `hf: owner/repo:Q4_K_M`"),
    "quantization": ("hf", "it stands behind the repository: `hf: owner/repo:Q4_K_M`"),
    "name": ("model", "did you mean `model`?"),
    "vram": ("capacity", "did you mean `capacity`?"),
    "memory": ("ram", "did you mean `ram`?"),
    "mem_limit": ("ram", "did you mean `ram`?"),
    "cores": ("cpus", "did you mean `cpus`?"),
    "resources": ("cpus", "write `cpus: {request: 1, limit: 4}`, and `ram: {request: 2GiB, limit: 4GiB}`"),
}
"""What other programs' files call a key: the key here, and a hint."""


def foreign_key(key: str, allowed: Collection[str]) -> str | None:
    """How to write here what Compose and others call `key`."""
    ours, hint = _FOREIGN.get(key, ("", ""))
    return hint if ours in allowed else None


def name(text: str) -> str | None:
    """My Host_1 -> my-host-1."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-") or None


def model_id(text: str) -> str | None:
    """my model! -> my-model."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:64].rstrip("-.") or None


def hostname(text: str) -> str | None:
    """https://My.host/v1 -> my.host."""
    name = re.sub(r"^[a-z]+://|[/:].*$", "", text.strip().lower())
    return re.sub(r"[^a-z0-9.-]+", "-", name).strip("-.") or None


def variable(text: str) -> str | None:
    """MY-VARIABLE -> MY_VARIABLE."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text).lstrip("0123456789")
    return name if name.strip("_") else None


def absolute_path(text: str) -> str | None:
    """srv/models -> /srv/models."""
    return f"/{text}" if re.match(r"\w", text) else None


def nfs_share(text: str) -> str | None:
    """nas/models -> nas:/models."""
    server, slash, path = text.partition("/")
    return f"{server.rstrip(':')}:/{path}" if server and slash and " " not in text else None


def use_mapping(text: str) -> str | None:
    """nano -> {model: nano}."""
    return f"{{model: {text}}}"


def volume_mapping(text: str) -> str | None:
    """/srv/models -> {path: /srv/models}."""
    return f"{{path: {text}}}" if text.startswith("/") else None


def publication(text: str) -> str | None:
    """8081:8080 -> 8081, 0.0.0.0:8081 -> {port: 8081, address: 0.0.0.0}."""
    match = re.fullmatch(r"(?:(\d+\.\d+\.\d+\.\d+):)?(\d{1,5})(?::\d+)?(?:/tcp)?", text)
    if match is None:
        return None
    return f"{{port: {match[2]}, address: {match[1]}}}" if match[1] else match[2]


def whole_number(text: str) -> str | None:
    """32k -> 32768, 32_768 -> 32768."""
    match = re.fullmatch(r"\s*(-?\d+(?:[_,]\d{3})*)\s*([kK]?)\s*", text)
    return None if match is None else str(int(re.sub("[_,]", "", match[1])) * (1024 if match[2] else 1))


def hub_mapping(text: str) -> str | None:
    """owner/repo:quant -> {hf: owner/repo:quant}."""
    return f"{{hf: {text}}}" if "/" in text else None


def sha256(text: str) -> str | None:
    """sha256:AB12... -> ab12..."""
    match = re.fullmatch(r"(?:sha256[:-])?([0-9a-f]{64})(?:\s.*)?", text.strip().lower())
    return match[1] if match else None
