"""Open WebUI: the page where people chat, configured by its environment alone."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Parsed, Role
from stackgen.domain.diagnostic import Diagnostic, YamlPath
from stackgen.domain.linked import LinkedService, LinkedUse, Reference
from stackgen.domain.plan import Alternative, Demand, KnownModel, Plan, PlannedService
from stackgen.domain.stack import Service
from stackgen.domain.workload import EnvValue, Health, Joined, Port, ServiceUrl, Workload
from stackgen.engines.open_webui.findings import FINDINGS
from stackgen.engines.open_webui.options import OpenWebuiOptions, as_text, environment

IMAGE: Final = "ghcr.io/open-webui/open-webui:v0.12.4"
PORT: Final = 8080
DATA: Final = PurePosixPath("/app/backend/data")


class _OpenWebui:
    name: Final = "open-webui"
    summary: Final = "Open WebUI, the page where people chat"
    volume_roles: Final = {"data": Role(description="accounts, chats and documents")}
    use_roles: Final = {
        "chat": Role(description="services with the OpenAI API", many=True),
        "tasks": Role(description="a small model for titles and tags, as service/model"),
        "images": Role(description="ComfyUI"),
        "search": Role(description="SearXNG"),
        "transcription": Role(description="a service with the OpenAI API for speech"),
    }
    offers: Final[frozenset[str]] = frozenset()

    def options(self, service: Service, path: YamlPath) -> Parsed:
        """Check `options`."""
        return defaults.parse(OpenWebuiOptions, service.options, (*path, "options"))

    def use_options(self, entry: Mapping[str, Any], service: Service, options: Any, path: YamlPath) -> Parsed:
        """There are no models: it shows those of the services that it uses."""
        return defaults.no_models(self.name, path)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON Schemas of `options` and of nothing."""
        return OpenWebuiOptions.model_json_schema(), defaults.NoOptions.model_json_schema()

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """What would be lost, open to everybody, or without effect."""
        for finding in FINDINGS:
            yield from finding(service)
        yield from defaults.declared_findings(service)

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """What it declares: only its CUDA images use a GPU."""
        return defaults.declared_demand(service)

    def alternatives(self, service: LinkedService, use: LinkedUse) -> Iterable[Alternative]:
        """None."""
        return ()

    def lower(self, service: PlannedService, plan: Plan) -> Workload:
        """The official image, which copies files into its own folders at each start."""
        linked = service.linked
        return Workload(
            name=linked.name,
            engine=self.name,
            image=linked.image or IMAGE,
            program="open-webui",
            env=defaults.environment(linked, _connections(linked) | environment(linked.options)),
            mounts=defaults.mounts(linked, {"data": DATA}),
            gpus=linked.gpus,
            ports=(Port(name="http", number=PORT, publish=linked.publish),),
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


ENGINE: Final[Engine] = _OpenWebui()
