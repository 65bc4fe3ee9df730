"""What goes into the holes of the page: tables, commands and configuration files of clients, as text."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from stackgen.domain.interface import Api, ServedModel
from stackgen.domain.workload import Deployment
from stackgen.emit import json, shell, yaml
from stackgen.targets.clients.doors import Door

_NAMES: Final[Mapping[Api, str]] = {
    Api.OPENAI: "OpenAI",
    Api.ANTHROPIC: "Anthropic",
    Api.OLLAMA: "Ollama",
    Api.COMFYUI: "ComfyUI",
    Api.SEARXNG: "SearXNG",
    Api.PAGES: "pages for a browser",
}
_ANSWER_SHARE: Final = 4
"""A client that plans its context keeps this part of it free for an answer."""


def values(deployment: Deployment, doors: tuple[Door, ...]) -> dict[str, Any]:
    """The values of templates/clients/CLIENTS.md."""
    talking = [door for door in doors if door.chat and Api.OPENAI in door.interface.apis and door.url]
    return {
        "stack": deployment.name,
        "source": deployment.source,
        "secrets": deployment.deploy.secrets,
        "doors": [_row(door) for door in doors],
        "own_authority": sorted({_host(door) for door in doors if door.own_authority}),
        "others": [_row(door) for door in doors if door.interface.models and door not in talking],
        "services": [_row(door) | _snippets(door, deployment.name) for door in talking],
    }


def _row(door: Door) -> dict[str, Any]:
    key = door.interface.key
    return {
        "name": door.name,
        "url": door.url,
        "limit": door.limit,
        "gateway": door.gateway,
        "apis": [
            {"name": _NAMES[api], "base": None if door.url is None else door.base(api)}
            for api in sorted(door.interface.apis, key=list(_NAMES).index)
        ],
        "key": None if key is None else {"secret": key.name, "entry": key.key, "variable": _variable(door)},
        "minutes": -(-door.interface.first_answer // 60),
        "models": [_model(model) for model in door.interface.models],
    }


def _model(model: ServedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "aliases": [alias.replace("|", "\\|") for alias in model.aliases],
        "context": None if model.context is None else f"{model.context:,}",
        "task": model.task.value + (", pictures" if model.vision else ""),
    }


def _snippets(door: Door, stack: str) -> dict[str, Any]:
    first = door.chat[0]
    return {
        "curl": _curl(door, first),
        "python": _python(door, first),
        "aider": _aider(door, first),
        "aider_metadata": _aider_metadata(door),
        "continue": _continue(door, stack),
        "opencode": _opencode(door, stack),
        "claude": _claude(door, first) if Api.ANTHROPIC in door.interface.apis else None,
    }


def _variable(door: Door) -> str:
    """The variable of the examples that holds the key."""
    return f"{door.name.upper().replace('-', '_')}_KEY"


def _host(door: Door) -> str:
    return str(door.url).partition("://")[2]


def _curl(door: Door, model: ServedModel) -> str:
    message = {"model": model.id, "messages": [{"role": "user", "content": "Hello!"}]}
    lines = [f"curl {shell.quote(door.base(Api.OPENAI) + '/chat/completions')}"]
    if door.interface.key:
        lines.append(f'-H "Authorization: Bearer ${_variable(door)}"')
    lines += ["-H 'Content-Type: application/json'", f"-d {shell.quote(json.line(message))}"]
    return " \\\n  ".join(lines)


def _python(door: Door, model: ServedModel) -> str:
    key = f'os.environ["{_variable(door)}"]' if door.interface.key else '"none"'
    imports = "import os\n\n" if door.interface.key else ""
    return (
        f"{imports}from openai import OpenAI\n\n"
        f"client = OpenAI(base_url={json.line(door.base(Api.OPENAI))}, api_key={key})\n"
        f"answer = client.chat.completions.create(\n    model={json.line(model.id)},\n"
        '    messages=[{"role": "user", "content": "Hello!"}],\n)\n'
        "print(answer.choices[0].message.content)"
    )


def _aider(door: Door, model: ServedModel) -> str:
    key = f'"${_variable(door)}"' if door.interface.key else "none"
    return "\n".join(
        (
            f"export OPENAI_API_BASE={shell.quote(door.base(Api.OPENAI))}",
            f"export OPENAI_API_KEY={key}",
            f"aider --model {shell.quote(f'openai/{model.id}')}",
        )
    )


def _aider_metadata(door: Door) -> str | None:
    known = {
        f"openai/{model.id}": {
            "max_input_tokens": model.context,
            "input_cost_per_token": 0,
            "output_cost_per_token": 0,
            "litellm_provider": "openai",
            "mode": "chat",
        }
        for model in door.chat
        if model.context is not None
    }
    return json.dump(known).rstrip() if known else None


def _continue(door: Door, stack: str) -> str:
    key = {"apiKey": f"${{{{ secrets.{_variable(door)} }}}}"} if door.interface.key else {"apiKey": "none"}
    models = [
        {
            "name": f"{model.id} ({stack})",
            "provider": "openai",
            "model": model.id,
            "apiBase": door.base(Api.OPENAI),
            **key,
            "roles": ["chat", "edit", "apply"],
            **(
                {}
                if model.context is None
                else {"defaultCompletionOptions": {"contextLength": model.context}}
            ),
        }
        for model in door.chat
    ]
    return yaml.dump({"name": stack, "version": "1.0.0", "schema": "v1", "models": models}).rstrip()


def _opencode(door: Door, stack: str) -> str:
    provider = f"{stack}-{door.name}"
    options = {"baseURL": door.base(Api.OPENAI)}
    if door.interface.key:
        options["apiKey"] = f"{{env:{_variable(door)}}}"
    body = {
        "$schema": "https://opencode.ai/config.json",
        "provider": {
            provider: {
                "npm": "@ai-sdk/openai-compatible",
                "name": f"{door.name} of {stack}",
                "options": options,
                "models": {model.id: {"name": model.id, **_limit(model)} for model in door.chat},
            }
        },
        "model": f"{provider}/{door.chat[0].id}",
    }
    return json.dump(body).rstrip()


def _limit(model: ServedModel) -> dict[str, Any]:
    if model.context is None:
        return {}
    return {"limit": {"context": model.context, "output": model.context // _ANSWER_SHARE}}


def _claude(door: Door, model: ServedModel) -> str:
    key = f'"${_variable(door)}"' if door.interface.key else "none"
    return "\n".join(_claude_lines(door, model, key))


def _claude_lines(door: Door, model: ServedModel, key: str) -> Iterator[str]:
    yield f"export ANTHROPIC_BASE_URL={shell.quote(door.base(Api.ANTHROPIC))}"
    yield f"export ANTHROPIC_AUTH_TOKEN={key}"
    yield f"export ANTHROPIC_MODEL={shell.quote(model.id)}"
    for tier in ("OPUS", "SONNET", "HAIKU"):
        yield f"export ANTHROPIC_DEFAULT_{tier}_MODEL={shell.quote(model.id)}"
    yield "claude"
