"""Workloads and deployments for tests of targets: the least, the most, and one that a person would run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from stackgen.domain.document import Format
from stackgen.domain.linked import Exposure, LinkedGpu, LinkedHost, Publication, SecretKey
from stackgen.domain.stack import Volume
from stackgen.domain.units import GIB, MIB
from stackgen.domain.workload import (
    ConfigFile,
    Deployment,
    Download,
    DownloadFile,
    EnvValue,
    GroupFact,
    Health,
    HostDeployment,
    Joined,
    Listen,
    Mount,
    Port,
    Reload,
    ServiceUrl,
    Workers,
    Workload,
)

VOLUMES = {
    "models": Volume(nfs="192.168.10.133:/mnt/tank/models", mount_options=["nconnect=16"]),
    "data": Volume(managed=True),
    "images": Volume(path="/srv/comfyui"),
}
SHA256, OID, COMMIT = "ab" * 32, "cd" * 20, "ef" * 20
DOWNLOAD = Download(
    model="coder",
    volume="models",
    repo="owner/Coder-GGUF",
    commit=COMMIT,
    files=(
        DownloadFile(
            path="a b.gguf", target=PurePosixPath("owner/Coder-GGUF/a b.gguf"), size=7, sha256=SHA256
        ),
        DownloadFile(path="c.json", target=PurePosixPath("owner/Coder-GGUF/c.json"), size=9, oid=OID),
    ),
    hosts=("rig",),
    services=("llama",),
    token=SecretKey("hugging-face", "token"),
)
"""What is locked for a model of llama."""


def gpu(index: int = 0, model: str = "rtx-3090", **changes: Any) -> LinkedGpu:
    """A GPU of 24124 MiB."""
    return replace(LinkedGpu(index=index, model=model, capacity=24124 * MIB), **changes)


def host(name: str = "box", platform: str = "compose", **changes: Any) -> LinkedHost:
    """A host with three GPUs."""
    usual = LinkedHost(name=name, platform=platform, gpus=(gpu(0), gpu(1), gpu(2)), ram=400 * GIB)
    return replace(usual, **changes)


def workload(name: str = "llama", **changes: Any) -> Workload:
    """The least that a program can be."""
    usual = Workload(name=name, engine="llama-server", image="example.org/llama:b1", program="llama-server")
    return replace(usual, **changes)


def deployment(
    *workloads: Workload,
    platform: str = "compose",
    on: LinkedHost | None = None,
    others: tuple[HostDeployment, ...] = (),
    volumes: Mapping[str, Volume] = VOLUMES,
) -> Deployment:
    """A deployment of one host that runs these workloads, and perhaps others."""
    groups = sorted({group for w in workloads for group in w.exclusive})
    return Deployment(
        name="home",
        source="stack.yaml",
        hosts=(HostDeployment(host=on or host(platform=platform), workloads=workloads), *others),
        volumes=volumes,
        exclusive=tuple((g, tuple(w.name for w in workloads if g in w.exclusive)) for g in groups),
    )


SEARCH = workload(
    "search",
    engine="searxng",
    image="docker.io/searxng/searxng:2026.5.1",
    program="searxng",
    ports=(Port(name="http", number=8080),),
)
"""A neighbour to refer to."""

EVERY_FIELD: Mapping[str, Any] = {
    "name": "maximal",
    "engine": "some-engine",
    "image": "example.org/maximal@sha256:" + "ab" * 32,
    "program": "/opt/maximal/serve",
    "entrypoint": ("/usr/bin/env", "serve it"),
    "working_dir": PurePosixPath("/srv/it"),
    "args": ("--preset", "/config/presets.ini", "--prompt", "it's $HOME, ${X} and %n"),
    "env": {
        "PLAIN": "no",
        "MARKS": "a$b $$ ${C:-d} 100%",
        "SEARCH_URL": ServiceUrl(service="search", path="/search?q=<query>"),
        "URLS": Joined((ServiceUrl(service="search"), ";", ServiceUrl(service="search", path="/v1"))),
        "API_KEY": SecretKey("litellm", "master-key"),
    },
    "config_files": (
        ConfigFile(
            name="presets.ini",
            target=PurePosixPath("/config/presets.ini"),
            format=Format.INI,
            body={"*": {"ctx-size": 32768}, "coder": {"model": "/models/coder.gguf", "jinja": True}},
        ),
        ConfigFile(
            name="routes.yaml",
            target=PurePosixPath("/etc/maximal/routes.yaml"),
            format=Format.YAML,
            body={"routes": [{"url": ServiceUrl(service="search", path="/v1"), "note": "$5"}]},
        ),
    ),
    "mounts": (
        Mount(volume="models", target=PurePosixPath("/models"), read_only=True),
        Mount(volume="data", target=PurePosixPath("/data")),
        Mount(volume="images", target=PurePosixPath("/images")),
    ),
    "gpus": (gpu(1), gpu(0, uuid="GPU-4a3c5b1e-0000-1111-2222-333344445555")),
    "watches": True,
    "workers": Workers(
        hosts=(LinkedHost(name="second", platform="kubernetes", gpus=(gpu(0), gpu(1))),),
        leader_args=("--rank", "0", "of $(X)", GroupFact.SIZE),
        worker_args=("--join", GroupFact.LEADER, "--rank", GroupFact.RANK),
    ),
    "ports": (
        Port(name="http", number=8080, publish=Publication(port=18080, address="127.0.0.1")),
        Port(name="metrics", number=9090),
    ),
    "listen": Listen(env={"BIND": "{address}:{port}"}, args=("--port", "{port}")),
    "health": Health(
        port=8080, path="/health?x=$y", start_period=600, interval=20, timeout=7, tool="python3"
    ),
    "reload": Reload(path="/reload?x=$y", fixed=("coder",)),
    "after": ("search",),
    "exclusive": ("gpu",),
    "expose": Exposure(hostname="maximal.example.org", timeout=1800),
    "memory_request": 100 * GIB,
    "memory_limit": 390 * GIB,
    "cpu_request": 1500,
    "cpu_limit": 8000,
    "shm_size": 8 * GIB,
    "lock_memory": True,
    "stop_grace": 120,
    "read_only_root": False,
    "writable": (PurePosixPath("/var/cache/maximal"),),
    "capabilities": ("CHOWN",),
    "user": "1000:1000",
    "calls": ("192.168.9.9:5432",),
    "offline": True,
}
"""A value for every field of Workload that is not its default."""

maximal = Workload(**EVERY_FIELD)
"""A program that asks for everything."""


READER = workload(
    "reader",
    gpus=(gpu(0),),
    config_files=(
        ConfigFile(
            name="presets.ini",
            target=PurePosixPath("/config/presets.ini"),
            format=Format.INI,
            body={"coder": {"ctx-size": 6}},
        ),
    ),
    ports=(Port(name="http", number=8080),),
    health=Health(port=8080, path="/health"),
    reload=Reload(path="/models?reload=1", fixed=("coder",)),
)
"""A program that reads its file anew when asked."""


def with_presets(reader: Workload, size: int) -> Workload:
    """The same with another file."""
    (file,) = reader.config_files
    return replace(reader, config_files=(replace(file, body={"coder": {"ctx-size": size}}),))


def home() -> Deployment:
    """Two compose hosts as a person would own them: a router, images in turn, chat, search; a small box."""
    hardened: Mapping[str, EnvValue] = {"SEARXNG_SECRET": SecretKey("searxng", "secret")}
    llama = workload(
        "llama",
        image="ghcr.io/ggml-org/llama.cpp:server-cuda-b11434",
        args=("--models-preset", "/config/presets.ini", "--models-max", "1"),
        config_files=(
            ConfigFile(
                name="presets.ini",
                target=PurePosixPath("/config/presets.ini"),
                format=Format.INI,
                body={
                    "*": {"parallel": 1, "cache-type-k": "q8_0", "cache-type-v": "q8_0"},
                    "nano": {"model": "/models/nemotron.gguf", "ctx-size": 32768},
                    "coder": {"model": "/models/coder.gguf", "ctx-size": 262144},
                },
            ),
        ),
        mounts=(Mount(volume="models", target=PurePosixPath("/models"), read_only=True),),
        gpus=(gpu(0), gpu(1)),
        ports=(Port(name="http", number=8080, publish=Publication(port=8080, address="192.168.10.20")),),
        listen=Listen(env={"LLAMA_ARG_HOST": "{address}", "LLAMA_ARG_PORT": "{port}"}),
        health=Health(port=8080, path="/health", start_period=300),
        reload=Reload(path="/models?reload=1", fixed=("coder",)),
        exclusive=("big-cards",),
        memory_limit=390 * GIB,
        cpu_limit=24000,
        lock_memory=True,
    )
    comfyui = workload(
        "comfyui",
        engine="comfyui",
        image="docker.io/yanwk/comfyui-boot:cu130-slim-v2",
        program="python3",
        args=("main.py", "--listen", "0.0.0.0"),  # noqa: S104
        listen=Listen(args=("--listen", "{address}", "--port", "{port}")),
        mounts=(Mount(volume="images", target=PurePosixPath("/root/ComfyUI")),),
        gpus=(gpu(1), gpu(2)),
        ports=(Port(name="http", number=8188),),
        health=Health(port=8188, path="/system_stats", tool="python3"),
        exclusive=("big-cards",),
        shm_size=2 * GIB,
        read_only_root=False,
    )
    chat = workload(
        "chat",
        engine="open-webui",
        image="ghcr.io/open-webui/open-webui:v0.12.4",
        program="open-webui",
        env={
            "OPENAI_API_BASE_URLS": Joined(
                (ServiceUrl(service="llama", path="/v1"), ";", ServiceUrl(service="ollama", path="/v1"))
            ),
            "COMFYUI_BASE_URL": ServiceUrl(service="comfyui"),
            "SEARXNG_QUERY_URL": ServiceUrl(service="search", path="/search?q=<query>"),
            "WEBUI_SECRET_KEY": SecretKey("webui", "session-key"),
        },
        mounts=(Mount(volume="data", target=PurePosixPath("/app/backend/data")),),
        ports=(Port(name="http", number=8080, publish=Publication(port=3000, address="127.0.0.1")),),
        listen=Listen(args=("serve", "--host", "{address}", "--port", "{port}")),
        health=Health(port=8080, path="/health"),
        after=("comfyui", "llama", "search"),
        expose=Exposure(hostname="chat.example.org", timeout=1800),
        read_only_root=False,
    )
    search = replace(
        SEARCH,
        env=hardened,
        listen=Listen(env={"SEARXNG_BIND_ADDRESS": "{address}", "SEARXNG_PORT": "{port}"}),
        health=Health(port=8080, path="/healthz", tool="wget"),
        user="977:977",
    )
    ollama = workload(
        "ollama",
        engine="ollama",
        image="docker.io/ollama/ollama:0.30.0",
        program="ollama",
        args=("serve",),
        mounts=(Mount(volume="data", target=PurePosixPath("/root/.ollama")),),
        listen=Listen(env={"OLLAMA_HOST": "{address}:{port}"}),
        ports=(Port(name="http", number=11434, publish=Publication(port=11434, address="0.0.0.0")),),  # noqa: S104
    )
    return Deployment(
        name="home",
        source="stack.yaml",
        hosts=(
            HostDeployment(
                host=host("rig", address="192.168.10.20"), workloads=(llama, comfyui, chat, search)
            ),
            HostDeployment(
                host=host("small", address="small.lan", gpus=(), ram=32 * GIB), workloads=(ollama,)
            ),
        ),
        volumes=VOLUMES,
        exclusive=(("big-cards", ("comfyui", "llama")),),
    )
