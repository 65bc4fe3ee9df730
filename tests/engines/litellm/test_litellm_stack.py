"""A gateway in a whole stack: what other services may ask of it by name."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stackgen.domain.diagnostic import dotted
from stackgen.domain.plan import Plan
from tests.support.snippets import planned

STACK = """
version: 1
name: home
hosts: {box: {platform: compose}}
models: {small: {hf: "Qwen/Qwen3-0.6B-GGUF:Q8_0"}}
services:
  llama:
    engine: llama-server
    host: box
    image: ghcr.io/ggml-org/llama.cpp:server-b11434
    options: {parallel: 1}
    models: {tiny: {model: small, context: 8192}}
    volumes: {models: weights}
  gateway:
    engine: litellm
    host: box
    uses: {models: [llama]}
    options: {master_key: {secret: {name: litellm, key: master-key}}, names: {fast: llama/tiny}, aliases: {quick: fast}}
  chat:
    engine: open-webui
    host: box
    uses: {chat: gateway, tasks: gateway/TASKS}
    options: {webui_secret_key: {secret: {name: chat, key: webui-secret-key}}}
    volumes: {data: data}
volumes: {weights: {path: /srv/models}, data: {managed: true}}
"""


def plan(folder: Path, tasks: str, **changes: Any) -> Plan:
    data = yaml.safe_load(STACK.replace("TASKS", tasks))
    data["services"]["gateway"].update(changes)
    return planned(data, folder)


def kinds(found: Plan) -> list[tuple[str, str]]:
    return [(d.kind, dotted(d.path)) for d in found.diagnostics if d.kind != "facts/unlocked"]


@pytest.mark.parametrize("name", ["fast", "quick"])
def test_a_model_of_a_gateway_is_a_model_to_others(name: str, tmp_path: Path) -> None:
    assert kinds(plan(tmp_path, name)) == []


@pytest.mark.parametrize("name", ["tiny", "fst"])
def test_a_model_that_a_gateway_does_not_offer(name: str, tmp_path: Path) -> None:
    assert kinds(plan(tmp_path, name)) == [("plan/unknown-model", "services.chat.uses.tasks")]


def test_what_is_wrong_with_routes_is_found_when_planning(tmp_path: Path) -> None:
    found = plan(tmp_path, "tiny", options={"fallbacks": {"tiny": ["tiny"]}})
    assert sorted(kinds(found)) == [
        ("litellm/fallback-to-itself", "services.gateway.options.fallbacks.tiny[0]"),
        ("litellm/no-master-key", "services.gateway"),
    ]
