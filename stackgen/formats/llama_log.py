"""Reads load logs of llama-server, of builds from 2024 on: which buffers it allocated, and where.

The lines are those of llama.cpp's LLAMA_LOG_INFO; builds of 2026 print them from verbosity 4 on (`-lv 4`).
What stands before a line (a time, a level, a container's or a router child's name) does not matter, except
that a router marks the lines of each child with its port.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from stackgen.domain.loadlog import Breakdown, Buffers, LoadLog, LogDevice
from stackgen.domain.units import MIB

_SIZE = r"=\s*(?P<mib>\d+\.\d+) MiB"
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_CHILD = re.compile(r"^[^\[]{0,80}\[\s*(\d{4,5})\] ")
_SPAWN = re.compile(r"spawning server instance with name=(\S+) on port (\d+)")
_BUILD = re.compile(r"\bbuild(?:_info)?: (?:b?(\d{4,6})\b|(\d{4,6}) \()|\bbuild[ =:]+(\d{4,6})\b")
_MODEL = re.compile(r"llama_model_loader: loaded meta data with .* from (.+?) \(version")
_DEVICE = re.compile(r"using device (\S+) \((.+?)\)(?: \(.*?\))? - (\d+) MiB free")
_CONTEXT = re.compile(r"llama_context: constructing llama_context|llama_new_context_with_model: n_ctx +=")
_SETTING = re.compile(
    r"(?:llama_context|llama_new_context_with_model|llama_init_from_model): "
    r"(n_ctx|n_batch|n_ubatch|n_seq_max|flash_attn|kv_unified) += (\S+)"
)
_CACHE_TYPES = re.compile(r"K \((\w+)\):.*?V \((\w+)\):")
_BUFFER = re.compile(
    r"(?P<by>\w+):\s+(?P<name>\S+)\s+(?:DSV4 \S+ )?"
    rf"(?P<what>model|KV|RS|state|compute|output|LoRA)?\s*buffer size {_SIZE}"
)
_VISION = re.compile(r"CLIP using (\S+) backend")
_VISION_WEIGHTS = re.compile(r"load_hparams: model size:\s+(\d+\.\d+) MiB")
_DRAFT = re.compile(r"loading draft model")
_FITTED = re.compile(r"fit\w*: ((?:context size reduced|set ngl_per_device|failed to fit).*)")
_TABLE = re.compile(r"\| memory breakdown \[MiB\]")
_GPU_ROW = re.compile(
    r"\|\s+- (\S+)(?: \(.*\))?\s+\|\s*(\d+) =\s*(\d+) \+ \(\s*\d+ =\s*(\d+) \+\s*(\d+) \+\s*(\d+)\) \+\s*(-?\d+)"
)
_HOST_ROW = re.compile(r"\|\s+- (Host)\s+\|\s*\d+ =\s*(\d+) \+\s*(\d+) \+\s*(\d+)")
_FIELDS = {"KV": "kv", "RS": "recurrent", "state": "kv", "LoRA": "adapter", None: "model"}
_ENGINE = ("llama_", "sched_reserve", "load_tensors", "llm_load_tensors", "reserve", "alloc_buffer")
"""What prints the buffers of a language model; a projector's come from functions of other names."""
_PER_CONTEXT = ("kv", "recurrent", "compute", "output")
_CONFUSED = 1 << 20
"""MiB: more than this unaccounted for is a negative number in disguise, as in a dry run."""


@dataclass(slots=True)
class _Pass:
    """A model that is being loaded, really or for a dry run."""

    model: str = ""
    draft: bool = False
    contexts: int = 0
    sizes: dict[str, dict[str, float]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(float))
    )
    settings: dict[str, str] = field(default_factory=dict)
    breakdown: dict[str, Breakdown] = field(default_factory=dict)
    fitted: list[str] = field(default_factory=list)

    def add(self, name: str, what: str, mib: float) -> None:
        """Count a buffer. A context allocates its graph anew when its first attempt fails: the last one counts."""
        if self.contexts > 1 and what in _PER_CONTEXT:
            what = f"draft {what}"
        if what.endswith("compute"):
            self.sizes[name][what] = mib
        else:
            self.sizes[name][what] += mib

    @property
    def loaded(self) -> bool:
        """Whether weights were allocated; dry runs say 0.00 MiB for each."""
        return any(sizes["model"] > 0 for sizes in self.sizes.values())

    @property
    def has_context(self) -> bool:
        """Whether anything but weights was allocated."""
        return any(sizes.keys() - {"model"} for sizes in self.sizes.values())


@dataclass(slots=True)
class _Process:
    """The lines of one process, in order."""

    passes: list[_Pass] = field(default_factory=list)
    build: str = ""
    vision: str = "CPU"
    draft_next: bool = False
    devices: dict[str, LogDevice] = field(default_factory=dict)
    fitted: list[str] = field(default_factory=list)
    waiting: list[tuple[str, float]] = field(default_factory=list)
    """Buffers of a projector that comes before its model."""

    def read(self, line: str) -> None:
        """Take in one line."""
        if match := _BUFFER.search(line):
            self._buffer(match["by"], match["name"], match["what"], float(match["mib"]))
        elif match := _MODEL.search(line):
            self._start(match[1])
        elif match := _DEVICE.search(line):
            # Some builds name them before the file, some after it.
            free = int(match[3]) * MIB
            self.devices[match[1]] = LogDevice(name=match[1], description=match[2], free=free)
        elif match := _VISION_WEIGHTS.search(line):
            self._projector(self.vision, float(match[1]))
        else:
            self._more(line)

    def _more(self, line: str) -> None:
        if _CONTEXT.search(line):
            self._current.contexts += 1
        if match := _SETTING.search(line):
            self._current.settings.setdefault(match[1], match[2])
        elif match := _CACHE_TYPES.search(line):
            self._current.settings.setdefault("type_k", match[1])
            self._current.settings.setdefault("type_v", match[2])
        elif match := _VISION.search(line):
            self.vision = match[1]
        elif _DRAFT.search(line):
            self.draft_next = True
        elif match := _FITTED.search(line):
            self.fitted.append(match[1].strip())
        elif match := _BUILD.search(line):
            self.build = f"b{next(number for number in match.groups() if number)}"
        elif _TABLE.search(line):
            self._current.breakdown = {}
        else:
            self._row(line)

    def _row(self, line: str) -> None:
        if match := _GPU_ROW.search(line):
            total, free, model, context, compute, rest = (int(n) for n in match.groups()[1:])
            self._current.breakdown[match[1]] = Breakdown(
                model=model, context=context, compute=compute, total=total, free=free, unaccounted=rest
            )
        elif match := _HOST_ROW.search(line):
            model, context, compute = (int(n) for n in match.groups()[1:])
            self._current.breakdown["Host"] = Breakdown(model=model, context=context, compute=compute)

    @property
    def _current(self) -> _Pass:
        if not self.passes:
            self._start("")
        return self.passes[-1]

    def _start(self, model: str) -> None:
        self.passes.append(_Pass(model=model, draft=self.draft_next))
        self.draft_next = False

    def _buffer(self, by: str, name: str, what: str | None, mib: float) -> None:
        if what == "compute" and not by.startswith(_ENGINE):
            self._projector(name, mib)
            return
        field_name = _FIELDS.get(what, what or "model")
        if field_name == "model" and self._current.has_context:
            # Logs that begin in the middle, or hide the loader's lines, still name weights first.
            self._start("")
        self._current.add(name, field_name, mib)

    def _projector(self, name: str, mib: float) -> None:
        self.waiting.append((name, mib))

    def loads(self) -> Iterator[_Pass]:
        """The models that were really loaded, each with its draft model and its projector counted in."""
        real: list[_Pass] = []
        for found in self.passes:
            if found.draft and real:
                _carry(found, real[-1])
            elif found.loaded or _only_breakdown(found):
                real.append(found)
        for found in real[:1]:
            for name, mib in self.waiting:
                found.add(name, "projector", mib)
            found.fitted = self.fitted
        yield from real


def _carry(draft: _Pass, target: _Pass) -> None:
    """Count a draft model's buffers with the model that it drafts for."""
    for name, sizes in draft.sizes.items():
        for what, mib in sizes.items():
            target.sizes[name][f"draft {what}"] += mib


def _only_breakdown(found: _Pass) -> bool:
    """Whether nothing but the last table is left of a load that happened: in a dry run, nothing is in use."""
    rest = [row.unaccounted for row in found.breakdown.values() if row.unaccounted is not None]
    return not found.sizes and bool(rest) and all(0 <= n < _CONFUSED for n in rest)


def parse(text: str) -> tuple[LoadLog, ...]:
    """Every model that was really loaded, in the order in which their processes appear."""
    processes: dict[str, _Process] = {}
    names: dict[str, str] = {}
    for line in _plain(text):
        if match := _SPAWN.search(line):
            names[match[2]] = match[1]
        child = _CHILD.match(line)
        processes.setdefault(child[1] if child else "", _Process()).read(line)
    build = next((p.build for p in processes.values() if p.build), "")
    return tuple(
        replace(
            _finished(found),
            instance=names.get(port, ""),
            build=process.build or build,
            devices=tuple(process.devices.values()),
        )
        for port, process in processes.items()
        for found in process.loads()
    )


def _plain(text: str) -> Iterable[str]:
    return (_COLOR.sub("", line) for line in text.splitlines())


def _finished(found: _Pass) -> LoadLog:
    return LoadLog(
        model=found.model,
        buffers={name: _buffers(sizes) for name, sizes in found.sizes.items() if any(sizes.values())},
        breakdown=found.breakdown if _trusted(found) else {},
        settings=found.settings,
        fitted=tuple(found.fitted),
    )


def _buffers(sizes: Mapping[str, float]) -> Buffers:
    whole = {what: sum(mib for key, mib in sizes.items() if key.split()[0] == what) for what in _NAMES}
    return Buffers(**{what: round(mib * MIB) for what, mib in whole.items()})


_NAMES = ("model", "kv", "recurrent", "compute", "output", "projector", "draft", "adapter")


def _trusted(found: _Pass) -> bool:
    """Whether a table is of this load: dry runs of `--fit` print the same table, in which nothing adds up."""
    rows = found.breakdown.items()
    rest = [row.unaccounted for _, row in rows if row.unaccounted is not None]
    fits = all(abs(row.model - found.sizes[name]["model"]) <= 1 for name, row in rows if name in found.sizes)
    return fits and all(0 <= n < _CONFUSED for n in rest)
