"""Open WebUI as a workload: the official image and its environment."""

from pathlib import PurePosixPath
from typing import Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.linked import LinkedService, Reference
from stackgen.domain.plan import PlannedService
from stackgen.domain.workload import EnvValue, Health, Joined, Listen, Port, ServiceUrl, Workload
from stackgen.engines.open_webui.options import as_text, environment

IMAGE: Final = "ghcr.io/open-webui/open-webui:v0.12.4"
PORT: Final = 8080
DATA: Final = PurePosixPath("/app/backend/data")


def workload(service: PlannedService) -> Workload:
    """The official image, which copies files into its own folders at each start."""
    linked = service.linked
    return Workload(
        name=linked.name,
        engine=service.linked.engine,
        image=linked.image or IMAGE,
        program="open-webui",
        env=defaults.environment(linked, _connections(linked) | environment(linked.options)),
        mounts=defaults.mounts(linked, {"data": DATA}),
        gpus=linked.gpus,
        ports=(Port(name="http", number=PORT, publish=linked.publish),),
        listen=Listen(args=("serve", "--host", "{address}", "--port", "{port}")),
        # The first start downloads an embedding model.
        health=Health(port=PORT, path="/health", start_period=300),
        expose=linked.expose,
        memory_limit=linked.ram,
        read_only_root=False,
    )


def _connections(service: LinkedService) -> dict[str, EnvValue]:
    """The variables that tell where other services are."""
    connections = {
        "chat": _chat,
        "tasks": _tasks,
        "images": _images,
        "search": _search,
        "transcription": _speech,
    }
    found: dict[str, EnvValue] = {
        "ENABLE_OLLAMA_API": as_text(False),
        "ENABLE_OPENAI_API": as_text("chat" in service.uses),
    }
    for role, variables in connections.items():
        if references := service.uses.get(role):
            found |= variables(references)
    return found


def _chat(services: tuple[Reference, ...]) -> dict[str, EnvValue]:
    urls: list[str | ServiceUrl] = []
    for reference in services:
        urls += [";", ServiceUrl(service=reference.service, path="/v1")]
    # One key for each URL; the option openai_api_keys replaces them.
    keys = ";".join("none" for _ in services)
    return {"OPENAI_API_BASE_URLS": Joined(tuple(urls[1:])), "OPENAI_API_KEYS": keys}


def _tasks(models: tuple[Reference, ...]) -> dict[str, EnvValue]:
    return {"TASK_MODEL_EXTERNAL": models[0].use or ""}


def _images(services: tuple[Reference, ...]) -> dict[str, EnvValue]:
    return {
        "ENABLE_IMAGE_GENERATION": as_text(True),
        "IMAGE_GENERATION_ENGINE": "comfyui",
        "COMFYUI_BASE_URL": ServiceUrl(service=services[0].service),
    }


def _search(services: tuple[Reference, ...]) -> dict[str, EnvValue]:
    return {
        "ENABLE_WEB_SEARCH": as_text(True),
        "WEB_SEARCH_ENGINE": "searxng",
        "SEARXNG_QUERY_URL": ServiceUrl(service=services[0].service, path="/search"),
    }


def _speech(services: tuple[Reference, ...]) -> dict[str, EnvValue]:
    return {
        "AUDIO_STT_ENGINE": "openai",
        "AUDIO_STT_OPENAI_API_BASE_URL": ServiceUrl(service=services[0].service, path="/v1"),
        "AUDIO_STT_OPENAI_API_KEY": "none",
    }
