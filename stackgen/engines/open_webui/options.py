"""The options of Open WebUI, and the environment variables that they are."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.stack import SecretValue, Strict
from stackgen.domain.values import Duration

if TYPE_CHECKING:
    from stackgen.domain.workload import EnvValue

Count = Annotated[int, Field(ge=1)]


class GraphNode(Strict):
    """A node of a workflow in ComfyUI's API format."""

    class_type: str = Field(description="kind of node, such as KSampler")
    inputs: dict[str, Any] = Field(description="values, or [node id, output] of another node")


class InputNode(Strict):
    """Where in the workflow Open WebUI writes what people ask for."""

    type: str = Field(description="prompt, negative_prompt, model, width, height, steps, seed or n")
    key: str = Field(description="name of the input in that node, such as text")
    node_ids: list[str] = Field(description="ids of the nodes in the workflow")


class OpenWebuiOptions(Strict):
    """Open WebUI's own variables in lower case; what is left out keeps its default there."""

    enable_persistent_config: bool = Field(
        default=False, description="let settings saved in its pages win over these for ever"
    )
    webui_auth: bool = Field(default=True, description="people must log in")
    webui_secret_key: SecretValue | None = Field(
        default=None, description="long random text that signs log-ins; a new one logs everybody out"
    )
    webui_url: str | None = Field(
        default=None, description="the address that people see; from `expose` unless given"
    )
    enable_signup: bool | None = Field(default=None, description="people may create accounts")
    default_user_role: Literal["pending", "user", "admin"] | None = Field(
        default=None, description="role of a new account"
    )
    openai_api_keys: SecretValue | None = Field(
        default=None, description="keys of the services under `uses.chat`, in their order, joined by ;"
    )
    thread_pool_size: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="threads for blocking work; 0 = the library's own number"
    )
    chat_response_stream_delta_chunk_size: Count | None = Field(
        default=None, description="tokens sent to the browser at once"
    )
    models_cache_ttl: Duration | None = Field(default=None, description="how long lists of models are kept")
    enable_base_models_cache: bool | None = Field(default=None, description="keep the list of base models")
    aiohttp_client_timeout: Duration | None = Field(
        default=None, description="longest answer of a model; big ones need minutes"
    )
    enable_autocomplete_generation: bool | None = Field(
        default=None, description="complete what people type: a request for every pause"
    )
    chunk_size: Count | None = Field(default=None, description="characters of a piece of a document")
    chunk_overlap: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="characters that two pieces of a document share"
    )
    rag_system_context: bool | None = Field(
        default=None, description="put documents into the system message, which keeps the KV cache valid"
    )
    enable_queries_cache: bool | None = Field(default=None, description="use generated search queries again")
    image_generation_model: str | None = Field(default=None, description="file name of the image model")
    image_size: Annotated[str, Field(pattern=r"^\d+x\d+$")] | None = Field(
        default=None, description="width x height of pictures, such as 1024x1024"
    )
    image_steps: Count | None = Field(default=None, description="sampling steps of a picture")
    comfyui_workflow: dict[str, GraphNode] | None = Field(
        default=None, description="a workflow as ComfyUI exports it by File > Export (API)"
    )
    comfyui_workflow_nodes: list[InputNode] | None = Field(
        default=None, description="where prompt, size, steps and seed go in that workflow"
    )
    audio_stt_model: str | None = Field(default=None, description="model of the transcription service")

    @model_validator(mode="after")
    def _consistent(self) -> "OpenWebuiOptions":
        if self.chunk_overlap is not None and self.chunk_overlap >= (self.chunk_size or 1000):
            raise ValueError("`chunk_overlap` must be smaller than `chunk_size` (1000 unless given)")
        ids = {id_ for node in self.comfyui_workflow_nodes or () for id_ in node.node_ids}
        if missing := sorted(ids - (self.comfyui_workflow or {}).keys()):
            raise ValueError(f"`comfyui_workflow` has no node {', '.join(missing)}")
        return self


def environment(options: OpenWebuiOptions) -> "dict[str, EnvValue]":
    """The variables of all options that are given: their own names in capitals."""
    given = ((name, getattr(options, name)) for name in OpenWebuiOptions.model_fields)
    return {name.upper(): as_text(value) for name, value in given if value is not None}


def as_text(value: Any) -> "EnvValue":
    """A value as Open WebUI reads it: only `true`, in any case, is true there."""
    match value:
        case SecretValue():
            return defaults.secret_key(value)
        case dict() | list():
            return json.dumps(value, default=BaseModel.model_dump, separators=(",", ":"))
        case _:
            return str(value)
