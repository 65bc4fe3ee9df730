"""What to run: `vllm serve` with everything written out that the plan counted with."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.linked import LinkedService, LinkedUse
from stackgen.domain.lock import home_of
from stackgen.domain.plan import Plan, PlannedService
from stackgen.domain.units import GIB
from stackgen.domain.workload import EnvValue, GroupFact, Health, Listen, Port, Workers, Workload
from stackgen.engines.vllm.options import IMAGE, VllmOptions, limits, split

PORT: Final = 8000
MASTER_PORT: Final = 29500
MODELS: Final = PurePosixPath("/models")
CACHE: Final = PurePosixPath("/root/.cache")


def workload(planned: PlannedService, plan: Plan, start: int) -> Workload:
    """One server, or one part of it on each of several hosts."""
    service = planned.linked
    options: VllmOptions = service.options
    volume = defaults.weights_volume(service, plan)
    env: dict[str, EnvValue] = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if options.api_key:
        env["VLLM_API_KEY"] = defaults.secret_key(options.api_key)
    return Workload(
        name=service.name,
        engine="vllm",
        image=service.image or IMAGE,
        program="vllm",
        entrypoint=("vllm",),
        args=tuple(_arguments(planned, volume)),
        env=defaults.environment(service, env),
        mounts=defaults.mounts(service, {"models": MODELS, "cache": CACHE}, frozenset({"models"})),
        gpus=service.gpus,
        workers=_workers(service, volume),
        ports=(Port(name="http", number=PORT, publish=service.publish),),
        listen=Listen(args=("--host", "{address}", "--port", "{port}")),
        # /health answers only once the weights are loaded.
        health=Health(port=PORT, path="/health", start_period=start, tool="python3"),
        expose=service.expose,
        offline=True,
        # Its processes talk to each other through shared memory.
        shm_size=16 * GIB,
        stop_grace=60,
        read_only_root=False,
        writable=() if "cache" in service.volumes else (CACHE,),
    )


def _arguments(planned: PlannedService, volume: PurePosixPath | None) -> Iterator[str]:
    service = planned.linked
    options: VllmOptions = service.options
    dealt = split(service)
    for use in service.models:
        bounds = limits(service)
        yield from ("serve", str(_weights(use, volume)), "--served-model-name", use.id, *use.options.alias)
        yield from ("--host", "0.0.0.0", "--port", str(PORT))  # noqa: S104
        yield from ("--tensor-parallel-size", str(dealt.tensor))
        yield from ("--pipeline-parallel-size", str(dealt.pipeline))
        yield from ("--gpu-memory-utilization", f"{options.gpu_memory_utilization:g}")
        yield from ("--max-model-len", str(use.options.max_model_len))
        yield from ("--max-num-seqs", str(bounds.max_num_seqs))
        yield from ("--max-num-batched-tokens", str(bounds.max_num_batched_tokens))
        yield from ("--kv-cache-dtype", options.kv_cache_dtype)
        yield from ("--block-size", str(options.block_size))
    if options.enforce_eager:
        yield "--enforce-eager"
    if options.quantization:
        yield from ("--quantization", options.quantization)
    if options.tool_call_parser:
        yield from ("--enable-auto-tool-choice", "--tool-call-parser", options.tool_call_parser)
    if options.reasoning_parser:
        yield from ("--reasoning-parser", options.reasoning_parser)
    yield from options.args


def _weights(use: LinkedUse, volume: PurePosixPath | None) -> PurePosixPath:
    return defaults.seen_at(MODELS, home_of(use.model.request), volume)


def _workers(service: LinkedService, volume: PurePosixPath | None) -> Workers | None:
    if not service.workers:
        return None
    common = (
        *("--distributed-executor-backend", "mp", "--nnodes", GroupFact.SIZE),
        *("--master-addr", GroupFact.LEADER, "--master-port", str(MASTER_PORT)),
    )
    dealt = split(service)
    return Workers(
        hosts=service.workers,
        tensor=dealt.tensor,
        pipeline=dealt.pipeline,
        weights=next((_weights(use, volume) for use in service.models), None),
        leader_args=(*common, "--node-rank", "0"),
        worker_args=(*common, "--node-rank", GroupFact.RANK, "--headless"),
    )
