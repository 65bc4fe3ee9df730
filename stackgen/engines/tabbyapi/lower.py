"""What to run: the official image, or an installation on the host, with its config.yml and its keys."""

from pathlib import PurePosixPath
from typing import Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.document import Format, Template
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import Plan, PlannedService
from stackgen.domain.units import GIB
from stackgen.domain.workload import ConfigFile, EnvValue, Health, Listen, Port, Workload
from stackgen.engines.tabbyapi.config import MODELS, config
from stackgen.engines.tabbyapi.effective import server
from stackgen.engines.tabbyapi.keys import ServiceKeys

IMAGE: Final = "ghcr.io/theroyallab/tabbyapi:latest"
"""For CUDA 12.8. Its publisher has no tags that stay; only a digest does."""
START: Final = PurePosixPath("/config/start.py")
CONFIG: Final = PurePosixPath("/config/config.yml")
_SCRATCH: Final = PurePosixPath("/tmp")  # noqa: S108  of the container, or of the unit alone
_APP: Final = PurePosixPath("/app")
PORT: Final = 5000
_START: Final = 900
"""Seconds that a start may take at least: it answers when the weights are loaded."""
_PREPARE: Final = 300
"""Those that Python and the driver take of it."""


def workload(planned: PlannedService, plan: Plan) -> Workload:
    """One process with one model at a time."""
    service, keys = planned.linked, server(planned.linked)
    native = keys.native
    start = max(_START, defaults.until_loaded(planned, _PREPARE))
    return Workload(
        name=service.name,
        engine="tabbyapi",
        image=service.image or ("" if native else IMAGE),
        program=native.python if native else "python3",
        args=(
            str(START),
            str((PurePosixPath(native.folder) if native else _APP) / "main.py"),
            *("--config", str(CONFIG)),
        ),
        env=defaults.environment(service, _environment(service, keys)),
        config_files=_files(planned, plan),
        mounts=defaults.mounts(service, {"models": MODELS}, frozenset({"models"})),
        gpus=service.gpus,
        listen=Listen(env={"TABBY_NETWORK_HOST": "{address}", "TABBY_NETWORK_PORT": "{port}"}),
        ports=(Port(name="http", number=PORT, publish=service.publish),),
        # It answers 503 as long as no model is loaded, so without one there is nothing to ask for.
        health=Health(port=PORT, path="/health", start_period=start) if service.models else None,
        expose=service.expose,
        offline=True,
        shm_size=8 * GIB,
        lock_memory=True,
        writable=(_SCRATCH,),
    )


def _environment(service: LinkedService, keys: ServiceKeys) -> dict[str, EnvValue]:
    # Torch and Triton keep what they compile below the home folder, of which the rest is read-only.
    env: dict[str, EnvValue] = {
        "HOME": str(_SCRATCH),
        # Variables, for what config.yml says could not be changed where the port is another.
        "TABBY_NETWORK_HOST": "0.0.0.0",  # noqa: S104  inside the container; `publish` says who can connect
        "TABBY_NETWORK_PORT": str(PORT),
    }
    if any(gpu.vendor == "nvidia" for gpu in service.gpus):
        # Else CUDA counts the fastest card first, and the shares of `gpu_split` go to the wrong ones.
        env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    if keys.api_key and not keys.disable_auth:
        env["TABBYAPI_API_KEY"] = defaults.secret_key(keys.api_key)
        if keys.admin_key:
            env["TABBYAPI_ADMIN_KEY"] = defaults.secret_key(keys.admin_key)
    return env


def _files(planned: PlannedService, plan: Plan) -> tuple[ConfigFile, ...]:
    body = config(planned.linked, planned.known, defaults.weights_volume(planned.linked, plan))
    file = ConfigFile(name=CONFIG.name, target=CONFIG, format=Format.YAML, body=body)
    start = Template("tabbyapi/start.py")
    return (file, ConfigFile(name=START.name, target=START, format=Format.TEXT, body=start))
