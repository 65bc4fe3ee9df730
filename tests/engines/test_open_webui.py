"""Open WebUI: options are its variables, connections follow from `uses`, and its traps are findings."""

import json
from typing import Any

import pytest

from stackgen.domain.diagnostic import Severity
from stackgen.domain.linked import LinkedService, SecretKey
from stackgen.domain.stack import Service
from stackgen.domain.workload import Joined, ServiceUrl
from stackgen.engines.open_webui import ENGINE
from tests.support.engines import found, kinds, lower, service

SECRET = "webui_secret_key: {secret: {name: chat, key: webui-secret-key}}"
WORKFLOW = """comfyui_workflow: {"3": {class_type: KSampler, inputs: {steps: 9, model: ["1", 0]}}}"""


def least(more: str = "", options: str = "") -> LinkedService:
    """A service with nothing wrong."""
    return service(
        ENGINE, f"{{volumes: {{data: d}}, options: {{{SECRET}{', ' * bool(options)}{options}}}{more}}}"
    )


def neighbours(*names: str) -> list[LinkedService]:
    return [service(ENGINE, name=name) for name in names]


def test_the_least() -> None:
    assert kinds(ENGINE, least()) == []
    run = lower(ENGINE, least())
    assert run.env == {
        "ENABLE_OLLAMA_API": "False",
        "ENABLE_OPENAI_API": "False",
        "ENABLE_PERSISTENT_CONFIG": "False",
        "WEBUI_AUTH": "True",
        "WEBUI_SECRET_KEY": SecretKey("chat", "webui-secret-key"),
    }
    assert not run.read_only_root
    assert [(m.volume, str(m.target)) for m in run.mounts] == [("d", "/app/backend/data")]


def test_options_are_variables() -> None:
    options = """
      thread_pool_size: 500, chat_response_stream_delta_chunk_size: 5, models_cache_ttl: 5m,
      enable_base_models_cache: true, aiohttp_client_timeout: 30m, enable_autocomplete_generation: false,
      chunk_size: 800, chunk_overlap: 150, rag_system_context: true, enable_queries_cache: true,
      image_steps: 9, image_size: 1024x1024, enable_signup: false, default_user_role: user
    """
    env = lower(ENGINE, least(options=options)).env
    assert {
        "THREAD_POOL_SIZE": "500",
        "CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE": "5",
        "MODELS_CACHE_TTL": "300",
        "ENABLE_BASE_MODELS_CACHE": "True",
        "AIOHTTP_CLIENT_TIMEOUT": "1800",
        "ENABLE_AUTOCOMPLETE_GENERATION": "False",
        "CHUNK_SIZE": "800",
        "CHUNK_OVERLAP": "150",
        "RAG_SYSTEM_CONTEXT": "True",
        "ENABLE_QUERIES_CACHE": "True",
        "IMAGE_STEPS": "9",
        "IMAGE_SIZE": "1024x1024",
        "ENABLE_SIGNUP": "False",
        "DEFAULT_USER_ROLE": "user",
    }.items() <= env.items()


def test_connections_follow_from_uses() -> None:
    uses = "chat: [llama, tabby], tasks: llama/nano, images: comfyui, search: search, transcription: ears"
    linked = least(f", uses: {{{uses}}}", WORKFLOW)
    assert kinds(ENGINE, linked) == []
    env = lower(ENGINE, linked, *neighbours("llama", "tabby", "comfyui", "search", "ears")).env
    assert env["OPENAI_API_BASE_URLS"] == Joined(
        (ServiceUrl(service="llama", path="/v1"), ";", ServiceUrl(service="tabby", path="/v1"))
    )
    assert env["OPENAI_API_KEYS"] == "none;none"
    assert env["TASK_MODEL_EXTERNAL"] == "nano"
    assert env["COMFYUI_BASE_URL"] == ServiceUrl(service="comfyui")
    assert env["SEARXNG_QUERY_URL"] == ServiceUrl(service="search", path="/search")
    assert env["AUDIO_STT_OPENAI_API_BASE_URL"] == ServiceUrl(service="ears", path="/v1")
    switches = {"ENABLE_OPENAI_API", "ENABLE_IMAGE_GENERATION", "ENABLE_WEB_SEARCH"}
    assert {name: env[name] for name in switches} == dict.fromkeys(switches, "True")


def test_keys_come_from_one_secret() -> None:
    linked = least(", uses: {chat: llama}", "openai_api_keys: {secret: {name: litellm, key: master-key}}")
    assert lower(ENGINE, linked, *neighbours("llama")).env["OPENAI_API_KEYS"] == SecretKey(
        "litellm", "master-key"
    )


def test_variables_of_the_stack_win() -> None:
    assert lower(ENGINE, least(", env: {WEBUI_AUTH: 'False'}")).env["WEBUI_AUTH"] == "False"


def test_a_workflow_goes_in_as_json() -> None:
    nodes = "comfyui_workflow_nodes: [{type: steps, key: steps, node_ids: ['3']}]"
    env = lower(ENGINE, least(options=f"{WORKFLOW}, {nodes}")).env
    workflow, inputs = env["COMFYUI_WORKFLOW"], env["COMFYUI_WORKFLOW_NODES"]
    assert isinstance(workflow, str)
    assert isinstance(inputs, str)
    assert json.loads(workflow) == {
        "3": {"class_type": "KSampler", "inputs": {"steps": 9, "model": ["1", 0]}}
    }
    assert json.loads(inputs) == [{"type": "steps", "key": "steps", "node_ids": ["3"]}]


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_size": 100, "chunk_overlap": 100},
        {"chunk_overlap": 1000},
        {"comfyui_workflow_nodes": [{"type": "steps", "key": "steps", "node_ids": ["3"]}]},
        {"image_size": "1024"},
        {"k8s_flag": True},
        {"webui_secret_key": "hunter2"},
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    raw = Service(engine="open-webui", host="box", options=options)
    parsed = ENGINE.options(raw, ("services", "it"))
    assert parsed.value is None
    assert all(d.path[:3] == ("services", "it", "options") for d in parsed.diagnostics)


@pytest.mark.parametrize(
    ("name", "severity", "instead"),
    [
        ("K8S_FLAG", Severity.ERROR, "leave it out"),
        ("TASK_MODEL", Severity.WARNING, "TASK_MODEL_EXTERNAL"),
        ("ENABLE_RAG_WEB_SEARCH", Severity.ERROR, "ENABLE_WEB_SEARCH"),
        ("RAG_WEB_SEARCH_ENGINE", Severity.ERROR, "WEB_SEARCH_ENGINE"),
    ],
)
def test_dead_variables_are_explained(name: str, severity: Severity, instead: str) -> None:
    linked = least(f", env: {{{name}: 'True'}}")
    finding = found(ENGINE, linked, "open-webui/dead-variable")
    assert (finding.severity, finding.path) == (severity, ("services", "it", "env", name))
    assert instead in (finding.hint or "")


def test_log_ins_need_a_secret() -> None:
    hint = found(ENGINE, service(ENGINE, "volumes: {data: d}"), "open-webui/no-secret").hint
    assert hint is not None
    assert kinds(ENGINE, service(ENGINE, f"volumes: {{data: d}}\n{hint}")) == []
    assert kinds(ENGINE, service(ENGINE, "{volumes: {data: d}, options: {webui_auth: false}}")) == []


@pytest.mark.parametrize("tasks", ["llama", "other/nano"])
def test_the_task_model_is_a_model_of_a_chat_service(tasks: str) -> None:
    assert kinds(ENGINE, least(f", uses: {{chat: llama, tasks: {tasks}}}")) == ["open-webui/tasks"]


def test_what_would_be_lost_is_said() -> None:
    assert kinds(ENGINE, service(ENGINE, f"options: {{{SECRET}}}")) == ["open-webui/no-data"]
    assert kinds(ENGINE, least(", uses: {images: comfyui}")) == ["open-webui/no-workflow"]
    assert kinds(ENGINE, least(", uses: {images: comfyui}", "enable_persistent_config: true")) == []
