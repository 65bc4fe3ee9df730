"""What holds for one model in the end, and how Ollama would start llama-server for it (server/sched.go, v0.32)."""

from typing import Any, Final, NamedTuple

from stackgen.domain.diagnostic import YamlPath
from stackgen.domain.facts import ModelFacts
from stackgen.domain.linked import LinkedGpu, LinkedService, LinkedUse
from stackgen.domain.llama import LlamaParams, LlamaProcess
from stackgen.domain.plan import KnownModel
from stackgen.domain.units import GIB, MIB
from stackgen.engines.ollama.options import ModelOptions, OllamaOptions
from stackgen.engines.ollama.version import older_than_llama_server
from stackgen.memory.served import Served, usable

LLAMA_BUILD: Final = 10488
"""The build of llama.cpp inside v0.32.15 (LLAMA_CPP_VERSION)."""
ONE_AT_A_TIME: Final = frozenset(
    [
        "mllama",
        "qwen3vl",
        "qwen3vlmoe",
        "qwen35",
        "qwen35moe",
        "qwen3next",
        "lfm2",
        "lfm2moe",
        "nemotron_h",
        "nemotron_h_moe",
    ]
)
"""Architectures with which Ollama ignores `num_parallel` (sched.go), as GGUF files spell them."""
MODELS_PER_GPU: Final = 3
_CONTEXT_BY_MEMORY: Final = ((47 * GIB, 262144), (23 * GIB, 32768), (0, 4096))
"""Memory of all GPUs together, and the context that Ollama gives models then (routes.go)."""
_VISION_CONTEXT: Final = 2048
_BATCH: Final = 512
_CACHE_RAM: Final = 8192
"""MiB of prompts that llama-server keeps (common.h)."""
_EMBEDDING_BATCH: Final = 2048


class Case(NamedTuple):
    """One model of a service with everything that holds for it."""

    service: LinkedService
    options: OllamaOptions
    use: LinkedUse
    own: ModelOptions
    facts: ModelFacts | None = None
    vision: bool = False

    def at(self, name: str) -> YamlPath:
        """Where an option stands that somebody wrote, else the model's entry."""
        if name in self.own.model_fields_set:
            return (*self.use.path, name)
        written = name in self.options.model_fields_set
        return (*self.service.path, "options", name) if written else self.use.path

    @property
    def embeds(self) -> bool:
        """Whether llama-server is started for embeddings: the file says how to pool."""
        return self.facts is not None and "pooling_type" in self.facts.values

    @property
    def num_ctx(self) -> int:
        """Tokens of context of one conversation; Ollama cuts what the model was not trained for."""
        asked = self.own.num_ctx or self.options.context_length or by_memory(self.service, self.options)
        asked = max(asked, _VISION_CONTEXT) if self.vision else asked
        return min(asked, self.facts.context_length) if self.facts else asked

    @property
    def num_parallel(self) -> int:
        """Conversations at once."""
        alone = self.embeds or (self.facts is not None and self.facts.architecture in ONE_AT_A_TIME)
        return 1 if alone else self.options.num_parallel

    @property
    def num_batch(self) -> int:
        """Tokens of a batch and of a micro-batch."""
        asked = self.own.num_batch or self.options.num_batch
        if self.embeds:
            return min(asked or _EMBEDDING_BATCH, self.num_ctx)
        return asked or _BATCH

    @property
    def devices(self) -> tuple[LinkedGpu, ...]:
        """The GPUs that hold something of it; all of them when only Ollama decides which one does."""
        gpus, main = self.service.gpus, self.own.main_gpu
        if self.own.num_gpu == 0:
            return ()
        return gpus[main : main + 1] if main is not None and main < len(gpus) else gpus

    def served(self, devices: tuple[LinkedGpu, ...]) -> Served:
        """Its process on these GPUs; a model without layers on any still opens all of them."""
        process = LlamaProcess(
            params=self.params(devices), gpus=devices, free=tuple(usable(gpu) for gpu in devices)
        )
        return Served(
            use=self.use,
            process=process,
            gpus=devices or self.service.gpus,
            projector=None if self._projector_on_host(devices) else 0,
        )

    def _projector_on_host(self, devices: tuple[LinkedGpu, ...]) -> bool:
        layers = self.own.num_gpu
        return not devices or (layers is not None and self.facts is not None and layers <= self.facts.n_layer)

    @property
    def _cache_ram(self) -> int:
        """MiB of prompts in main memory, which only llama-server keeps."""
        if older_than_llama_server(self.service.image):
            return 0
        return _CACHE_RAM if self.options.cache_ram is None else self.options.cache_ram // MIB

    def params(self, devices: tuple[LinkedGpu, ...]) -> LlamaParams:
        """What Ollama writes onto llama-server's command line (llm/llama_server.go)."""
        kind = self.options.kv_cache_type
        flash: dict[bool | None, Any] = {None: "auto", True: "on", False: "off"}
        drafts = self.own.draft_num_predict if self.facts and self.facts.n_layer_nextn else None
        return LlamaParams(
            build=LLAMA_BUILD,
            n_ctx=self.num_ctx * self.num_parallel,
            n_parallel=self.num_parallel,
            kv_unified=False,
            n_batch=self.num_batch,
            n_ubatch=self.num_batch,
            flash_attn=flash[self.options.flash_attention],
            type_k=kind,
            type_v=kind,
            n_gpu_layers=-1 if self.own.num_gpu is None else self.own.num_gpu,
            split_mode="layer" if len(devices) > 1 else "none",
            tensor_split=shares(devices),
            embeddings=self.embeds,
            cache_ram_mib=self._cache_ram,
            spec_type="draft-mtp" if drafts else "none",
            spec_draft_n_max=drafts or 3,
        )


def case(service: LinkedService, use: LinkedUse, known: KnownModel | None = None) -> Case:
    """One model of a service."""
    options: OllamaOptions = service.options
    own: ModelOptions = use.options
    facts, vision = (known.facts, known.mmproj_file is not None) if known else (None, False)
    return Case(service=service, options=options, use=use, own=own, facts=facts, vision=vision)


def by_memory(service: LinkedService, options: OllamaOptions) -> int:
    """The context of models that nobody gave one."""
    overhead = options.gpu_overhead or 0
    whole = sum(gpu.capacity - overhead for gpu in service.gpus)
    return next(context for least, context in _CONTEXT_BY_MEMORY if whole >= least)


def shares(gpus: tuple[LinkedGpu, ...]) -> tuple[float, ...]:
    """How layers are dealt to several GPUs: by their memory, and not by what happens to be free."""
    return tuple(usable(gpu) // MIB for gpu in gpus) if len(gpus) > 1 else ()
