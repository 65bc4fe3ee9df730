"""Where other services are, and what Open WebUI must send them: variables, and what is wrong with them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.interface import Api, Interface
from stackgen.domain.linked import LinkedService, Reference, SecretKey
from stackgen.domain.units import show_duration
from stackgen.domain.wording import one_of, quoted
from stackgen.engines.open_webui.options import OpenWebuiOptions, as_text

if TYPE_CHECKING:
    from stackgen.domain.workload import EnvValue, ServiceUrl

Interfaces = Mapping[str, Interface]
NO_KEY: Final = "none"
"""What goes to a service that wants no key: an empty one would make the lists unequal."""


def connections(service: LinkedService, others: Interfaces) -> "dict[str, EnvValue]":
    """The variables of all that is under `uses`; `others` are the interfaces of all services."""
    roles = {"chat": _chat, "tasks": _tasks, "images": _images, "search": _search, "transcription": _speech}
    found: dict[str, EnvValue] = {
        "ENABLE_OLLAMA_API": as_text(False),
        "ENABLE_OPENAI_API": as_text("chat" in service.uses),
    }
    for role, variables in roles.items():
        if references := service.uses.get(role):
            found |= variables(references, others)
    return found


def _openai(service: str, others: Interfaces) -> "ServiceUrl":
    from stackgen.domain.workload import ServiceUrl

    path = others[service].apis.get(Api.OPENAI, "/v1") if service in others else "/v1"
    return ServiceUrl(service=service, path=path)


def _key(service: str, others: Interfaces) -> SecretKey | None:
    return others[service].key if service in others else None


def _chat(services: Sequence[Reference], others: Interfaces) -> "dict[str, EnvValue]":
    from stackgen.domain.workload import Joined, ServiceUrl

    urls: list[str | ServiceUrl] = []
    for reference in services:
        urls += [";", _openai(reference.service, others)]
    alone = _key(services[0].service, others) if len(services) == 1 else None
    # One key for each URL; the option openai_api_keys replaces them.
    keys = alone or ";".join(NO_KEY for _ in services)
    return {"OPENAI_API_BASE_URLS": Joined(tuple(urls[1:])), "OPENAI_API_KEYS": keys}


def _tasks(models: Sequence[Reference], others: Interfaces) -> "dict[str, EnvValue]":
    return {"TASK_MODEL_EXTERNAL": models[0].use or ""}


def _images(services: Sequence[Reference], others: Interfaces) -> "dict[str, EnvValue]":
    from stackgen.domain.workload import ServiceUrl

    return {
        "ENABLE_IMAGE_GENERATION": as_text(True),
        "IMAGE_GENERATION_ENGINE": "comfyui",
        "COMFYUI_BASE_URL": ServiceUrl(service=services[0].service),
    }


def _search(services: Sequence[Reference], others: Interfaces) -> "dict[str, EnvValue]":
    from stackgen.domain.workload import ServiceUrl

    return {
        "ENABLE_WEB_SEARCH": as_text(True),
        "WEB_SEARCH_ENGINE": "searxng",
        "SEARXNG_QUERY_URL": ServiceUrl(service=services[0].service, path="/search"),
    }


def _speech(services: Sequence[Reference], others: Interfaces) -> "dict[str, EnvValue]":
    used = services[0].service
    return {
        "AUDIO_STT_ENGINE": "openai",
        "AUDIO_STT_OPENAI_API_BASE_URL": _openai(used, others),
        "AUDIO_STT_OPENAI_API_KEY": _key(used, others) or NO_KEY,
    }


def keys(service: LinkedService, others: Interfaces) -> Iterable[Diagnostic]:
    """Several services of which some want a key: all keys are one variable, so they must be one secret."""
    options: OpenWebuiOptions = service.options
    used = [reference.service for reference in service.uses.get("chat", ())]
    locked = [name for name in used if _key(name, others)]
    given = options.openai_api_keys is not None or "OPENAI_API_KEYS" in service.env
    if len(used) > 1 and locked and not given:
        value = ";".join(f"<key of {name}>" if name in locked else NO_KEY for name in used)
        yield error(
            "open-webui/backend-key",
            (*service.path, "uses", "chat"),
            f"{one_of(quoted(locked), 'and')} want{'s' if len(locked) == 1 else ''} a key, and for several "
            "services Open WebUI reads all keys from one secret",
            f"options: {{openai_api_keys: {{secret: {{name: {service.name}, key: openai-api-keys}}}}}}, "
            f"whose value is {value}",
        )


def patience(service: LinkedService, others: Interfaces) -> Iterable[Diagnostic]:
    """A longest answer that ends before a model is loaded."""
    options: OpenWebuiOptions = service.options
    longest = options.aiohttp_client_timeout
    if longest is None:
        return
    used = [reference.service for reference in service.uses.get("chat", ()) if reference.service in others]
    slowest = max(used, key=lambda name: others[name].first_answer, default=None)
    if slowest is not None and longest < others[slowest].first_answer:
        need = others[slowest].first_answer
        yield warning(
            "open-webui/timeout",
            (*service.path, "options", "aiohttp_client_timeout"),
            f"`{slowest}` may take {show_duration(need)} to load a model, and Open WebUI gives up before that",
            f"leave it out, or make it longer than {need}s",
        )


CONNECTIONS: Final = (keys, patience)
