"""LiteLLM as a workload: the official image, its config.yaml, and every key by reference."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.document import Format
from stackgen.domain.interface import Api, Task
from stackgen.domain.linked import LinkedService, SecretKey
from stackgen.domain.plan import Plan, PlannedService
from stackgen.domain.target_defaults import present
from stackgen.domain.workload import ConfigFile, EnvValue, Health, Listen, Port, ServiceUrl, Workload
from stackgen.engines.litellm import routes
from stackgen.engines.litellm.interface import MASTER_KEY, master_key
from stackgen.engines.litellm.options import LitellmOptions
from stackgen.engines.litellm.routes import Route

IMAGE: Final = "ghcr.io/berriai/litellm:v1.106.11"
PORT: Final = 4000
CONFIG: Final = PurePosixPath("/app/config.yaml")
DATABASE: Final = "DATABASE_URL"
POSTGRES: Final = 5432
SALT: Final = "LITELLM_SALT_KEY"

_OFFLINE: Final = {
    f"LITELLM_LOCAL_{what}": "True"
    for what in (
        "MODEL_COST_MAP",
        "ANTHROPIC_BETA_HEADERS",
        "AUTOROUTER_PRESETS",
        "BLOG_POSTS",
        "POLICY_TEMPLATES",
    )
}
"""What LiteLLM would fetch from the internet, as it came with the package; nothing else goes out by itself."""
_ANTHROPIC: Final = {"LITELLM_USE_CHAT_COMPLETIONS_URL_FOR_ANTHROPIC_MESSAGES": "True"}
"""Else it answers Anthropic's clients by way of /v1/responses, which few servers have."""

_MODES: Final[Mapping[Task, str]] = {
    Task.CHAT: "chat",
    Task.EMBEDDINGS: "embedding",
    Task.RERANK: "rerank",
    Task.TRANSCRIPTION: "audio_transcription",
    Task.IMAGES: "image_generation",
}


def workload(planned: PlannedService, plan: Plan) -> Workload:
    """The gateway, which starts without the services behind it."""
    service = planned.linked
    found = routes.routes(service, plan.interfaces)
    return Workload(
        name=service.name,
        engine=service.engine,
        image=service.image or IMAGE,
        program="litellm",
        args=("--config", str(CONFIG), "--port", str(PORT)),
        env=defaults.environment(service, _environment(service, found)),
        config_files=(
            ConfigFile(name=CONFIG.name, target=CONFIG, format=Format.YAML, body=config(service, found)),
        ),
        ports=(Port(name="http", number=PORT, publish=service.publish),),
        listen=Listen(args=("--host", "{address}", "--port", "{port}")),
        # /health asks every model, which loads them all in turn; this one asks nobody.
        health=Health(port=PORT, path="/health/liveliness", start_period=120, tool="python3"),
        expose=service.expose,
        # Where the database is, only the secret says.
        calls=(f":{POSTGRES}",) if service.options.database_url else (),
        # It writes its own pages and Prisma's files into the image at start.
        read_only_root=False,
    )


def _environment(service: LinkedService, found: tuple[Route, ...]) -> dict[str, EnvValue]:
    options: LitellmOptions = service.options
    secrets = {DATABASE: options.database_url, SALT: options.salt_key}
    keys = {key_variable(route.service): key for route in found if (key := key_of(service, route))}
    own = master_key(service)
    return {
        **_OFFLINE,
        **_ANTHROPIC,
        **({MASTER_KEY: own} if own else {}),
        **{name: defaults.secret_key(value) for name, value in secrets.items() if value},
        **keys,
    }


def key_of(service: LinkedService, route: Route) -> SecretKey | None:
    """The key that the gateway must send to a service."""
    options: LitellmOptions = service.options
    told = options.keys.get(route.service)
    return route.interface.key or (defaults.secret_key(told) if told else None)


def key_variable(service: str) -> str:
    """The variable that holds the key of a service; no provider of LiteLLM reads one of this name by itself."""
    return f"BACKEND_KEY_{re.sub(r'[^A-Z0-9]', '_', service.upper())}"


def config(service: LinkedService, found: tuple[Route, ...]) -> dict[str, Any]:
    """config.yaml as a value tree, with nothing in it that this version does not read."""
    options: LitellmOptions = service.options
    return {
        "model_list": [_deployment(service, route) for route in found],
        "router_settings": _router(service, found),
        "litellm_settings": present(
            {"drop_params": options.drop_params, "callbacks": ["prometheus"] if options.metrics else None}
        ),
        "general_settings": present(
            {
                "master_key": f"os.environ/{MASTER_KEY}",
                "database_url": f"os.environ/{DATABASE}" if options.database_url else None,
                # They ask every model every five minutes, and so load all of them for ever.
                "background_health_checks": False,
            }
        ),
    }


def _deployment(service: LinkedService, route: Route) -> dict[str, Any]:
    api, provider = route.provider or (Api.OPENAI, "openai")
    key = f"os.environ/{key_variable(route.service)}" if key_of(service, route) else None
    return {
        "model_name": route.name,
        "litellm_params": present(
            {
                "model": f"{provider}/{route.model.id}",
                "api_base": ServiceUrl(service=route.service, path=route.interface.apis.get(api, "")),
                # The client of `openai` refuses to ask without any key.
                "api_key": key or (None if api is Api.OLLAMA else "none"),
            }
        ),
        "model_info": present(
            {
                "mode": _MODES[route.model.task],
                "max_input_tokens": route.model.context,
                "input_cost_per_token": 0,
                "output_cost_per_token": 0,
                "supports_vision": route.model.vision or None,
            }
        ),
    }


def _router(service: LinkedService, found: tuple[Route, ...]) -> dict[str, Any]:
    options: LitellmOptions = service.options
    aliases = routes.aliases(options, found)
    return present(
        {
            "routing_strategy": options.routing_strategy,
            # Without it `max_input_tokens` is no more than a remark.
            "enable_pre_call_checks": True,
            "timeout": routes.timeout(service, found),
            "stream_timeout": options.stream_timeout,
            "num_retries": options.num_retries,
            "allowed_fails": options.allowed_fails,
            "cooldown_time": options.cooldown_time,
            "max_fallbacks": options.max_fallbacks,
            "fallbacks": _pairs(options.fallbacks, aliases),
            "context_window_fallbacks": _pairs(options.context_window_fallbacks, aliases),
            "default_fallbacks": [aliases.get(name, name) for name in options.default_fallbacks],
            "model_group_alias": aliases,
        }
    )


def _pairs(given: Mapping[str, list[str]], aliases: Mapping[str, str]) -> list[dict[str, list[str]]]:
    """Fallbacks by every name that clients use: LiteLLM looks for them under the alias that was asked for."""
    pairs = {name: [aliases.get(target, target) for target in targets] for name, targets in given.items()}
    further = {alias: pairs[name] for alias, name in aliases.items() if name in pairs}
    return [{name: targets} for name, targets in (pairs | further).items()]
