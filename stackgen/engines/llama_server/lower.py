"""What to run: the router, and the presets file that tells it of its models."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.document import Format
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel, Plan, PlannedService
from stackgen.domain.workload import ConfigFile, EnvValue, Health, Listen, Port, Reload, Workload
from stackgen.engines.llama_server import image, swap, table
from stackgen.engines.llama_server.effective import Case, beating, case, effective
from stackgen.engines.llama_server.options import ServiceOptions
from stackgen.engines.llama_server.params import Values

PORT: Final = 8080
MODELS: Final = PurePosixPath("/models")
PRESETS: Final = PurePosixPath("/config/presets.ini")
DEFAULTS: Final = "*"
"""The section whose keys hold for every model (preset.cpp)."""
_RELOADS: Final = 10068
"""The oldest build that was tried; llama.cpp has it since May 2026 (pull request 21848)."""
_CHILD_STOPS: Final = 10
"""Seconds that a model's process gets to stop, unless told otherwise (server-models.cpp)."""


def workload(planned: PlannedService, plan: Plan) -> Workload:
    """One router with its presets, or another router before the same processes."""
    run = _router(planned, plan)
    return _behind_swap(run, planned, plan) if _options(planned.linked).router == "llama-swap" else run


def _router(planned: PlannedService, plan: Plan) -> Workload:
    service, options = planned.linked, _options(planned.linked)
    cases = [case(service, use) for use in service.models]
    return Workload(
        name=service.name,
        engine="llama-server",
        image=service.image or image.default(service.gpus),
        program="llama-server",
        # What stands here beats every preset, so nothing does that a preset could say.
        args=(
            *("--models-preset", str(PRESETS), "--models-max", str(planned.models_max)),
            *options.command_line,
        ),
        env=defaults.environment(service, _environment(service)),
        config_files=(
            ConfigFile(
                name=PRESETS.name,
                target=PRESETS,
                format=Format.INI,
                body=presets(service, planned.known, defaults.weights_volume(service, plan)),
            ),
        ),
        mounts=defaults.mounts(service, {"models": MODELS}, frozenset({"models"})),
        gpus=service.gpus,
        ports=(Port(name="http", number=PORT, publish=service.publish),),
        listen=Listen(env={"LLAMA_ARG_HOST": "{address}", "LLAMA_ARG_PORT": "{port}"}),
        # /health answers as soon as the router runs, and asking it loads no model.
        health=Health(port=PORT, path="/health", tool="curl"),
        reload=_reload(cases, options),
        expose=service.expose,
        offline=True,
        lock_memory=any(_locks_memory(c.values) for c in cases),
        stop_grace=20 + max((c.number("stop-timeout", _CHILD_STOPS) for c in cases), default=_CHILD_STOPS),
        # Who is not root has no way into root's home; nothing is kept there but what llama-server itself downloads.
        writable=(PurePosixPath("/tmp"), *(() if service.user else (PurePosixPath("/root/.cache"),))),  # noqa: S108
    )


def _behind_swap(run: Workload, planned: PlannedService, plan: Plan) -> Workload:
    """The same container with llama-swap in it; it takes its addresses from its command line alone."""
    service, folder = planned.linked, defaults.weights_volume(planned.linked, plan)
    cases = {use.id: case(service, use) for use in service.models}
    files = {name: _files(this, planned.known, folder) for name, this in cases.items()}
    named = {name: {k: v for k, v in found.items() if k != "alias"} for name, found in files.items()}
    ours = ("LLAMA_ARG_HOST", "LLAMA_ARG_PORT", "LLAMA_API_KEY")
    key = _options(service).api_key
    return replace(
        run,
        program="llama-swap",
        entrypoint=("/app/llama-swap",),
        args=("-config", str(swap.CONFIG), "-listen", f":{PORT}"),
        env={n: v for n, v in run.env.items() if n not in ours} | ({swap.KEY: key} if key else {}),
        config_files=(
            ConfigFile(
                name=swap.CONFIG.name,
                target=swap.CONFIG,
                format=Format.YAML,
                body=swap.config(planned, plan, cases, named),
            ),
        ),
        listen=Listen(args=("-listen", "{address}:{port}")),
        reload=None,
    )


def _reload(cases: list[Case], options: ServiceOptions) -> Reload | None:
    """Models whose presets changed are unloaded, the others go on; what is loaded keeps its aliases."""
    if options.build < _RELOADS:
        return None
    own = ((this.use.id, this.own.alias, this.own.load_on_startup) for this in cases)
    return Reload(
        path="/models?reload=1",
        key="LLAMA_API_KEY" if options.api_key else None,
        fixed=tuple(sorted(ascii(one) for one in own if any(one[1:]))),
    )


def _options(service: LinkedService) -> ServiceOptions:
    options: ServiceOptions = service.options
    return options


def _environment(service: LinkedService) -> dict[str, EnvValue]:
    """The official image listens on all addresses by this variable; it does so everywhere."""
    env: dict[str, EnvValue] = {"LLAMA_ARG_HOST": "0.0.0.0", "LLAMA_ARG_PORT": str(PORT)}  # noqa: S104
    if any(gpu.vendor == "nvidia" for gpu in service.gpus):
        # Else CUDA counts the fastest card first, and the shares of `tensor-split` go to the wrong ones.
        env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    if key := _options(service).api_key:
        env["LLAMA_API_KEY"] = key
    return env


def _locks_memory(values: Values) -> bool:
    return bool(values.get("mlock")) or "mlock" in str(values.get("load-mode", ""))


def presets(
    service: LinkedService, known: Mapping[str, KnownModel], folder: PurePosixPath | None = None
) -> dict[str, dict[str, str]]:
    """The presets file as sections: what is common to all models in `[*]`, and per model what is its own.

    `folder` is the folder of the host that is mounted at /models.
    """
    options, cases = _options(service), [case(service, use) for use in service.models]
    beaten = beating(options)
    # What one model must not inherit, such as shares of a GPU that it does not use, is no common default.
    common = {
        name: value
        for name, value in effective(service, {}).items()
        if name not in beaten and all(name in this.values for this in cases)
    }
    sections = {DEFAULTS: _spelled(common, {}, options.build)}
    for this in cases:
        own = {n: v for n, v in this.values.items() if n not in beaten and common.get(n) != v}
        sections[this.use.id] = {
            **_files(this, known, folder),
            **({"load-on-startup": "true"} if this.own.load_on_startup else {}),
            **_spelled(own, common, options.build),
        }
    return sections


def _files(this: Case, known: Mapping[str, KnownModel], folder: PurePosixPath | None) -> dict[str, str]:
    """Which files to load, and the names under which clients ask for them."""
    model, draft = known.get(this.use.model.name), known.get(this.own.draft or "")
    found = {"model": _seen(model.file if model else None, folder)}
    if model and model.mmproj_file:
        found["mmproj"] = _seen(model.mmproj_file, folder)
    if draft:
        found[_key("spec-draft-model", this.options.build)] = _seen(draft.file, folder)
    if this.own.alias:
        found["alias"] = ", ".join(this.own.alias)
    return found


def _seen(file: str | None, folder: PurePosixPath | None) -> str:
    return str(defaults.seen_at(MODELS, PurePosixPath(file or ""), folder))


def _spelled(values: Values, common: Values, build: int) -> dict[str, str]:
    """Keys and texts in the order of the table; a flag that is off stands there only to undo a common one."""
    at = table.nearest_read(build)
    return {
        option.key(at): option.kind(at).spell(values[option.name])
        for option in table.options()
        if option.name in values
        and not (option.is_flag and not values[option.name] and not common.get(option.name))
    }


def _key(name: str, build: int) -> str:
    option = next(o for o in table.options() if o.name == name)
    return option.key(table.nearest_read(build))
