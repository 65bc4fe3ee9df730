"""Speech to text behind the OpenAI API: speaches, which runs faster-whisper."""

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Role
from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.engine_base import WithDeclaredMemory
from stackgen.domain.interface import Api, Interface, ServedModel, Task
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel, Plan, PlannedService
from stackgen.domain.stack import SecretValue, Strict
from stackgen.domain.values import Duration

if TYPE_CHECKING:
    from stackgen.domain.workload import EnvValue, Workload

IMAGE: Final = "ghcr.io/speaches-ai/speaches:0.9.0-rc.3"
USER: Final = "1000:1000"
"""Of its image."""
PORT: Final = 8000
_HOME: Final = PurePosixPath("/home/ubuntu")
CACHE: Final = _HOME / ".cache/huggingface/hub"
ALIASES: Final = _HOME / "speaches/model_aliases.json"
_ON_GPU: Final = frozenset({"float16", "bfloat16", "int8_float16", "int8_bfloat16"})
_LOAD: Final = 120
_ComputeType = Literal[
    "int8",
    "int8_float16",
    "int8_bfloat16",
    "int8_float32",
    "int16",
    "float16",
    "bfloat16",
    "float32",
    "default",
]


class WhisperOptions(Strict):
    """What goes into the environment of speaches."""

    compute_type: _ComputeType | None = Field(
        default=None, description="how numbers are kept, which decides memory: int8 takes the least"
    )
    keep_alive: Literal["forever"] | Duration | None = Field(
        default=None, description="how long a model stays loaded after its last request; 5m there"
    )
    api_key: SecretValue | None = Field(
        default=None, description="the key that clients must send, as a secret"
    )
    enable_ui: bool = Field(default=False, description="a page to try it out, which asks for no key")
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        default="info", description="what the log has"
    )


class _Whisper(WithDeclaredMemory):
    name = "whisper"
    summary = "speaches, speech to text by faster-whisper"
    settings = WhisperOptions
    volume_roles = {"cache": Role(description="weights, as it downloads them at its start")}
    offers = frozenset({"transcription"})

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """Models that it cannot fetch, numbers that a CPU cannot keep, weights that are lost."""
        yield from defaults.declared_findings(service)
        options: WhisperOptions = service.options
        for use in service.models:
            if use.model.request.repo is None:
                yield error(
                    "whisper/model-source",
                    use.model.path,
                    "speaches fetches its models from the hub, by the name of their repository",
                    "hf: Systran/faster-whisper-large-v3",
                )
        if options.compute_type in _ON_GPU and not service.gpus:
            yield error(
                "whisper/compute-type",
                (*service.path, "options", "compute_type"),
                f"a CPU does not compute with {options.compute_type}: no model would load",
                "compute_type: int8",
            )
        if "cache" not in service.volumes:
            yield warning(
                "whisper/no-cache",
                service.path,
                "weights are lost with the container, and downloaded again at each start",
                "volumes: {cache: <a name under volumes>}",
            )

    def interface(self, service: PlannedService) -> Interface:
        """Its models under their ids, which are aliases of their repositories."""
        options: WhisperOptions = service.linked.options
        return Interface(
            apis={Api.OPENAI: "/v1", **({Api.PAGES: ""} if options.enable_ui else {})},
            models=tuple(ServedModel(id=use.id, task=Task.TRANSCRIPTION) for use in service.linked.models),
            key=defaults.secret_key(options.api_key) if options.api_key else None,
            first_answer=_LOAD,
        )

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image, which is root's in nothing but its packages."""
        from stackgen.domain.document import Format
        from stackgen.domain.workload import ConfigFile, Health, Listen, Port, Workload

        linked = service.linked
        return Workload(
            name=linked.name,
            engine=self.name,
            image=linked.image or f"{IMAGE}-{'cuda' if linked.gpus else 'cpu'}",
            program="uvicorn",
            entrypoint=("uvicorn",),
            args=("--factory", "speaches.main:create_app"),
            listen=Listen(args=("--host", "{address}", "--port", "{port}")),
            env=defaults.environment(linked, _environment(linked)),
            config_files=(
                ConfigFile(name=ALIASES.name, target=ALIASES, format=Format.JSON, body=_repositories(linked)),
            ),
            mounts=defaults.mounts(linked, {"cache": CACHE}),
            gpus=linked.gpus,
            ports=(Port(name="http", number=PORT, publish=linked.publish),),
            # It answers once its models are downloaded.
            health=Health(port=PORT, path="/health", start_period=1800),
            expose=linked.expose,
            read_only_root=False,
            user=defaults.own_user(linked, IMAGE, USER),
        )


def _repositories(service: LinkedService) -> dict[str, str]:
    return {use.id: use.model.request.repo or "" for use in service.models}


def _environment(service: LinkedService) -> "dict[str, EnvValue]":
    options: WhisperOptions = service.options
    env: dict[str, EnvValue] = {
        "WHISPER__INFERENCE_DEVICE": "cuda" if service.gpus else "cpu",
        "PRELOAD_MODELS": json.dumps(list(dict.fromkeys(_repositories(service).values()))),
        "ENABLE_UI": str(options.enable_ui).lower(),
        "LOG_LEVEL": options.log_level,
    }
    if options.compute_type is not None:
        env["WHISPER__COMPUTE_TYPE"] = options.compute_type
    if options.keep_alive is not None:
        env["STT_MODEL_TTL"] = "-1" if options.keep_alive == "forever" else str(options.keep_alive)
    if options.api_key is not None:
        env["API_KEY"] = defaults.secret_key(options.api_key)
    return env


ENGINE: Final[Engine] = _Whisper()
