"""What holds for one model in the end: defaults, the service's options, its own, and what beats them."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from stackgen.domain.diagnostic import YamlPath
from stackgen.domain.linked import LinkedGpu, LinkedService, LinkedUse
from stackgen.domain.units import MIB
from stackgen.engines.llama_server.keys import yaml_line
from stackgen.engines.llama_server.options import ServiceOptions, UseOptions
from stackgen.engines.llama_server.params import AUTO_SLOTS, Values
from stackgen.engines.llama_server.table import Role
from stackgen.engines.llama_server.values import Value
from stackgen.memory.served import usable

_ALWAYS: Final[dict[str, Value]] = {
    "batch-size": 2048,
    "ubatch-size": 512,
    "flash-attn": "auto",
    "cache-type-k": "f16",
    "cache-type-v": "f16",
    "fit": "off",
}
"""Written out even when nobody asks: what decides memory must not depend on an image's defaults.

They are llama-server's own (common.h, b7964 to b11434), but for `fit`: with it, a model that does not fit
would silently compute on the CPU (common/fit.cpp). `auto` flash attention fails where `on` would do the same.
"""


class Case(NamedTuple):
    """One model of a service with everything that holds for it."""

    service: LinkedService
    options: ServiceOptions
    use: LinkedUse
    own: UseOptions
    values: Values

    def at(self, *names: str) -> YamlPath:
        """Where the first of these options that somebody wrote stands, else the model's entry."""
        for name in names:
            if name in self.own.values:
                return (*self.use.path, yaml_line(name, None))
        for name in names:
            if name in self.options.values:
                return (*self.service.path, "options", yaml_line(name, None))
        return self.use.path

    def given(self, name: str) -> bool:
        """Whether somebody wrote this option."""
        return name in self.own.values or name in self.options.values or name in beating(self.options)

    def number(self, name: str, default: int = 0) -> int:
        """An option that is a whole number, or `default`."""
        value = self.values.get(name, default)
        return value if isinstance(value, int) else default

    @property
    def devices(self) -> tuple[LinkedGpu, ...]:
        """The GPUs that hold something of it, in the order in which llama.cpp counts them."""
        return chosen(self.service.gpus, self.values)


def case(service: LinkedService, use: LinkedUse) -> Case:
    """One model of a service."""
    options: ServiceOptions = service.options
    own: UseOptions = use.options
    return Case(service=service, options=options, use=use, own=own, values=effective(service, own.values))


def effective(service: LinkedService, own: Mapping[str, Value]) -> dict[str, Value]:
    """The options of a model that says `own`: the router's command line > model > service > our defaults."""
    options: ServiceOptions = service.options
    written = {**options.values, **own, **beating(options)}
    return {**_ALWAYS, "kv-unified": False, **_layers(service, written), **written, **_slots(written)}


def beating(options: ServiceOptions) -> dict[str, Value]:
    """What stands on the router's own command line, which llama-server ranks above every preset."""
    return {item.option.name: item.value for item in options.beating if item.option.role is Role.PLAIN}


def _slots(written: Values) -> dict[str, Value]:
    """The server's rule: no number means 4 slots that share one cache, whatever else was asked for."""
    auto = written.get("parallel", -1) == -1
    return {"parallel": AUTO_SLOTS, "kv-unified": True} if auto else {}


def _layers(service: LinkedService, written: Values) -> dict[str, Value]:
    """Everything on the GPUs, in proportion to their memory; `fit: on` wants to decide that for itself."""
    if written.get("fit") == "on":
        return {}
    devices = chosen(service.gpus, written)
    found: dict[str, Value] = {"n-gpu-layers": "all" if devices else 0}
    if len(devices) > 1 and written.get("split-mode", "layer") != "none":
        found["tensor-split"] = tuple(usable(gpu) // MIB for gpu in devices)
    return found


def chosen(gpus: tuple[LinkedGpu, ...], values: Mapping[str, Any]) -> tuple[LinkedGpu, ...]:
    """The GPUs that `device` names, as CUDA0 or Vulkan1; all of them when it does not tell."""
    names = values.get("device", ())
    listed = names if isinstance(names, tuple) else tuple(part for part in str(names).split(",") if part)
    if listed == ("none",):
        return ()
    numbers = ["".join(filter(str.isdigit, str(name))) for name in listed]
    if not listed or not all(n and int(n) < len(gpus) for n in numbers):
        return gpus
    return tuple(gpus[int(n)] for n in numbers)
