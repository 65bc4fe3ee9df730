"""The nearest right spelling of something that has to have a certain form, for hints; None when there is none."""

import re


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
    return f"/{text}" if re.match(r"[\w.]", text) else None


def nfs_share(text: str) -> str | None:
    """nas/models -> nas:/models."""
    server, slash, path = text.partition("/")
    return f"{server.rstrip(':')}:/{path}" if server and slash and " " not in text else None


def use_mapping(text: str) -> str | None:
    """nano -> {model: nano}."""
    return f"{{model: {text}}}"


def hub_mapping(text: str) -> str | None:
    """owner/repo:quant -> {hf: owner/repo:quant}."""
    return f"{{hf: {text}}}" if "/" in text else None
