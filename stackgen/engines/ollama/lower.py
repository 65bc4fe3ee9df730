"""What to run: the official image, told by its environment."""

from pathlib import PurePosixPath
from typing import Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import PlannedService
from stackgen.domain.units import MIB
from stackgen.domain.workload import EnvValue, Health, Listen, Port, Workload
from stackgen.engines.ollama.effective import shares
from stackgen.engines.ollama.options import OllamaOptions

IMAGE: Final = "docker.io/ollama/ollama:0.32.15"
PORT: Final = 11434
MODELS: Final = PurePosixPath("/models")
HOME: Final = PurePosixPath("/root/.ollama")
_AS_THEY_ARE: Final = {
    "num_parallel": "OLLAMA_NUM_PARALLEL",
    "kv_cache_type": "OLLAMA_KV_CACHE_TYPE",
    "flash_attention": "OLLAMA_FLASH_ATTENTION",
    "context_length": "OLLAMA_CONTEXT_LENGTH",
    "gpu_overhead": "OLLAMA_GPU_OVERHEAD",
    "max_queue": "OLLAMA_MAX_QUEUE",
    "go_template": "OLLAMA_GO_TEMPLATE",
    "no_cloud": "OLLAMA_NO_CLOUD",
    "no_prune": "OLLAMA_NOPRUNE",
    "debug": "OLLAMA_DEBUG",
    "fit": "LLAMA_ARG_FIT",
}
"""Options whose value is that of a variable: numbers, words, and 1 or 0 for true and false."""


def workload(planned: PlannedService) -> Workload:
    """Ollama with its store; its key for Ollama's cloud, which it makes at each start, is not kept."""
    service = planned.linked
    return Workload(
        name=service.name,
        engine="ollama",
        image=service.image or default_image(service),
        program="ollama",
        args=("serve",),
        env=defaults.environment(service, environment(planned)),
        mounts=defaults.mounts(service, {"models": MODELS}),
        gpus=service.gpus,
        ports=(Port(name="http", number=PORT, publish=service.publish),),
        listen=Listen(env={"OLLAMA_HOST": "{address}:{port}"}),
        health=Health(port=PORT, path="/", tool="bash"),
        expose=service.expose,
        writable=(HOME, *(() if "models" in service.volumes else (MODELS,))),
    )


def default_image(service: LinkedService) -> str:
    """ROCm's libraries are in an image of their own."""
    return f"{IMAGE}-rocm" if any(gpu.vendor == "amd" for gpu in service.gpus) else IMAGE


def environment(planned: PlannedService) -> dict[str, EnvValue]:
    """The variables of all options; those that decide memory are always there."""
    service = planned.linked
    options: OllamaOptions = service.options
    env: dict[str, EnvValue] = {
        "OLLAMA_HOST": f"0.0.0.0:{PORT}",
        "OLLAMA_MODELS": str(MODELS),
        "OLLAMA_MAX_LOADED_MODELS": str(planned.models_max),
    }
    for name, variable in _AS_THEY_ARE.items():
        if (value := getattr(options, name)) is not None:
            env[variable] = str(int(value)) if isinstance(value, bool) else str(value)
    if options.keep_alive is not None:
        env["OLLAMA_KEEP_ALIVE"] = "-1" if options.keep_alive == "forever" else f"{options.keep_alive}s"
    if options.load_timeout is not None:
        env["OLLAMA_LOAD_TIMEOUT"] = f"{options.load_timeout}s"
    if options.cache_ram is not None:
        env["LLAMA_ARG_CACHE_RAM"] = str(options.cache_ram // MIB)
    if options.origins:
        env["OLLAMA_ORIGINS"] = ",".join(options.origins)
    if len(service.gpus) > 1:
        env["OLLAMA_SCHED_SPREAD"] = str(int(options.sched_spread))
        # llama-server reads it from the environment that it inherits; else it goes by what happens to be free.
        env["LLAMA_ARG_TENSOR_SPLIT"] = ",".join(f"{share:g}" for share in shares(service.gpus))
    return env
