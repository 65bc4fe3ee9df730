"""Which tensor and which cache goes to which place (`load_tensors`, `create_tensor`)."""

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from stackgen.domain.facts import ModelFacts, Weight
from stackgen.domain.llama import LlamaParams
from stackgen.memory.errors import Refused

_EXPERTS = re.compile(r"\.ffn_(up|down|gate|gate_up)_(ch|)exps")
# ^ what --cpu-moe and --n-cpu-moe keep on the host
# Where a tensor of no block goes (`llm_tensor_info`): with the input, with the output, else with block 0.
_INPUT = ("token_embd.", "per_layer_token_embd.", "position_embd.", "token_types.")
_OUTPUT = (
    "output",
    "cls",
    "dense_",
    "altup_",
    "hc_head",
    "dec.output_norm",
    "enc.output_norm",
    "fc.",
    "d2t",
    "decision",
)


@dataclass(frozen=True)
class Placement:
    """Places are device indexes; `host` is the one after the last device."""

    n_devices: int
    layers: tuple[int, ...]
    """The place of each block, and of the output layer at the end."""
    overrides: tuple[tuple[str, int], ...] = ()
    """(regular expression, place) pairs; the first match wins."""
    expert_blocks: int = 0
    """The experts of so many first blocks stay on the host."""
    pipeline: bool = False
    """Whether the scheduler keeps four copies of what crosses devices."""

    @property
    def host(self) -> int:
        """The place that is no device."""
        return self.n_devices

    @property
    def output(self) -> int:
        """Where the output matrix and its norm are."""
        return self.layers[-1]

    @property
    def layers_start(self) -> int:
        """The first device that is in use: where a projector goes."""
        return min((p for p in self.layers if p != self.host), default=self.host)

    @property
    def places(self) -> int:
        """Devices and host."""
        return self.n_devices + 1

    @cached_property
    def _patterns(self) -> tuple[tuple[re.Pattern[str], int], ...]:
        return tuple((_compile(pattern), place) for pattern, place in self.overrides)

    @cached_property
    def _moved_of_block(self) -> dict[int, Mapping[str, int]]:
        """What `of_block` found: weights, graphs and their kinds all ask for the same blocks of one model."""
        return {}

    def _moved(self, name: str) -> int | None:
        return next((where for pattern, where in self._patterns if pattern.search(name)), None)

    def of_block(self, block: int, weights: tuple[Weight, ...]) -> Mapping[str, int]:
        """The places of those tensors of a block that are not with their block."""
        if not self.overrides and block >= self.expert_blocks:
            return {}
        if block not in self._moved_of_block:
            home = self.layers[block]
            places = ((w.name, self.of(f"blk.{block}.{w.name}", block)) for w in weights)
            self._moved_of_block[block] = {name: where for name, where in places if where != home}
        return self._moved_of_block[block]

    def of(self, name: str, block: int | None) -> int:
        """The place of a tensor, by its full name; a pattern wins over the layer."""
        if (where := self._moved(name)) is not None:
            return where
        if block is not None:
            kept = block < self.expert_blocks and _EXPERTS.search(name)
            return self.host if kept else self.layers[block]
        if name.startswith(_INPUT):
            return self.host
        return self.output if name.startswith(_OUTPUT) else self.layers[0]

    def output_of(self, name: str) -> int:
        """The place of the copy of an input tensor that serves as the output matrix."""
        moved = self._moved(name)
        return self.output if moved is None else moved


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as e:
        raise Refused("bad-override-pattern", f"`{pattern}` is not a regular expression: {e}") from e


def place(facts: ModelFacts, params: LlamaParams, devices: Sequence[int]) -> Placement:
    """Deal the layers to devices of these free bytes. Raises Refused for a device that is not there."""
    n = len(devices)
    slots = facts.n_layer + 1
    wanted = slots if params.n_gpu_layers < 0 else params.n_gpu_layers
    active = min(wanted, slots) if n else 0
    single = params.split_mode == "none"
    if single and n and not 0 <= params.main_gpu < n:
        raise Refused(
            "main-gpu-out-of-range",
            f"main_gpu {params.main_gpu}, but there are {n} devices",
            "count from 0",
        )
    first = slots - active
    split = _shares(params.tensor_split, devices)
    layers = tuple(
        n if slot < first else params.main_gpu if single else _device(split, slot - first, active)
        for slot in range(slots)
    )
    overrides = tuple((pattern, _buffer(kind, n)) for pattern, kind in params.override_tensor)
    expert_blocks = facts.n_layer if params.cpu_moe else params.n_cpu_moe
    full = bool(n) and wanted > facts.n_layer
    return Placement(
        n_devices=n,
        layers=layers,
        overrides=overrides,
        expert_blocks=expert_blocks,
        pipeline=n > 1
        and full
        and params.split_mode == "layer"
        and params.kv_offload
        and not overrides
        and not expert_blocks,
    )


def _buffer(kind: str, n_devices: int) -> int:
    """`CPU` and its kin are the host; `CUDA1`, `RPC1[...]`, `Vulkan1` are devices."""
    match = re.match(r"(?i)(?:cuda|rocm|hip|vulkan|sycl|musa|metal|rpc)(\d+)", kind)
    if match and int(match[1]) < n_devices:
        return int(match[1])
    return n_devices


def _float(x: float) -> float:
    """Rounded to 32 bits, since ties between devices are decided there."""
    return float(struct.unpack("f", struct.pack("f", x))[0])


def _shares(tensor_split: Sequence[float], devices: Sequence[int]) -> list[float]:
    """Cumulative shares, in 32-bit floats as the engine adds them."""
    weights = [float(x) for x in tensor_split[: len(devices)]]
    weights += [0.0] * (len(devices) - len(weights))
    if not any(weights):
        weights = [float(x) for x in devices]
    total, cumulative = 0.0, []
    for weight in weights:
        total = _float(total + _float(weight))
        cumulative.append(total)
    return [_float(c / total) if total else 0.0 for c in cumulative]


def _device(split: Sequence[float], slot: int, active: int) -> int:
    """The first device whose cumulative share is strictly greater than slot / active."""
    at = _float(slot / active)
    return next((i for i, share in enumerate(split) if share > at), len(split) - 1)
