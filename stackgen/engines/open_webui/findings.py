"""What is wrong with an Open WebUI service: what would be lost, open to everybody, or without effect."""

from collections.abc import Iterable
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, Severity, error, warning
from stackgen.domain.linked import LinkedService
from stackgen.engines.open_webui.options import OpenWebuiOptions

_GONE = "Open WebUI does not read it any more"
DEAD: Final = {
    "K8S_FLAG": (Severity.ERROR, "any text in it, even `False`, overwrites OLLAMA_BASE_URL", "leave it out"),
    "TASK_MODEL": (
        Severity.WARNING,
        "it is for models of an Ollama connection, and all connections of this stack are OpenAI's",
        "uses: {tasks: service/model}, which becomes TASK_MODEL_EXTERNAL",
    ),
    "ENABLE_RAG_WEB_SEARCH": (Severity.ERROR, _GONE, "uses: {search: service} sets ENABLE_WEB_SEARCH"),
    "RAG_WEB_SEARCH_ENGINE": (Severity.ERROR, _GONE, "uses: {search: service} sets WEB_SEARCH_ENGINE"),
}
"""Variables that people still copy from each other: severity, what is wrong, and what to write instead."""


def dead_variables(service: LinkedService) -> Iterable[Diagnostic]:
    """Variables that do harm or nothing."""
    for name in service.env:
        if name in DEAD:
            severity, why, instead = DEAD[name]
            yield Diagnostic(
                kind="open-webui/dead-variable",
                severity=severity,
                path=(*service.path, "env", name),
                message=f"{name}: {why}",
                hint=instead,
                at_key=True,
            )


def secret(service: LinkedService) -> Iterable[Diagnostic]:
    """Log-ins without a key that outlives the container."""
    options: OpenWebuiOptions = service.options
    if options.webui_auth and options.webui_secret_key is None and "WEBUI_SECRET_KEY" not in service.env:
        yield warning(
            "open-webui/no-secret",
            service.path,
            "log-ins are signed with a key that is lost with the container, so an update logs everybody out",
            f"options: {{webui_secret_key: {{secret: {{name: {service.name}, key: webui-secret-key}}}}}}",
        )


def tasks(service: LinkedService) -> Iterable[Diagnostic]:
    """A task model that is none, or that Open WebUI cannot reach."""
    chat = {reference.service for reference in service.uses.get("chat", ())}
    for reference in service.uses.get("tasks", ()):
        path = (*service.path, "uses", "tasks")
        if reference.use is None:
            yield error(
                "open-webui/tasks",
                path,
                "`tasks` must name a model, not just a service",
                "tasks: service/model",
            )
        elif reference.service not in chat:
            yield error(
                "open-webui/tasks",
                path,
                f"`{reference.service}` is not under `chat`, so Open WebUI does not know its models",
                f"uses: {{chat: [{', '.join((*sorted(chat), reference.service))}]}}",
            )


def persistence(service: LinkedService) -> Iterable[Diagnostic]:
    """What people enter and lose."""
    options: OpenWebuiOptions = service.options
    if "data" not in service.volumes:
        yield warning(
            "open-webui/no-data",
            service.path,
            "accounts and chats are lost whenever the container is replaced",
            "volumes: {data: <a name under volumes>}",
        )
    if (
        service.uses.get("images")
        and options.comfyui_workflow is None
        and not options.enable_persistent_config
    ):
        yield warning(
            "open-webui/no-workflow",
            (*service.path, "uses", "images"),
            "it sends ComfyUI its built-in workflow for Stable Diffusion 1.5, and forgets at the next start "
            "what people upload in its pages",
            "export a workflow in ComfyUI by File > Export (API) and write it into options.comfyui_workflow",
        )


FINDINGS: Final = (dead_variables, secret, tasks, persistence)
