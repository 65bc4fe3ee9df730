"""The public Python API: the memory of a llama-server command line, before anything is started."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Footprint, Memory, TermName
from stackgen.domain.llama import LATEST_BUILD, LlamaParams
from stackgen.engines.llama_server.argv import parse_argv as read_argv
from stackgen.facts.derive import derive
from stackgen.io.local import read_gguf
from stackgen.memory.errors import Refused
from stackgen.memory.llama import footprint


@dataclass(frozen=True, slots=True)
class Estimate:
    """Memory per device and on the host; `footprint` has each term with its arithmetic."""

    facts: ModelFacts
    params: LlamaParams
    footprint: Footprint

    def to_dict(self) -> dict[str, Any]:
        """Bytes: `{"devices": [{"model", "context", "compute", "compute_high", "cuda_extra"}, ...], "host": {...}}`.

        `cuda_extra` is what a CUDA device may need on top of `compute_high`: room for weights that it fetches from
        the host, and for a quantised cache read as f16. Other backends do neither. A gate on CUDA counts both.
        """
        host = _row(self.footprint.host)
        del host["compute_high"], host["cuda_extra"]
        return {"devices": [_row(m) for m in self.footprint.devices], "host": host}


def _row(memory: Memory) -> dict[str, int]:
    compute = memory.of(TermName.COMPUTE)
    return {
        "model": sum(t.best for t in memory.of(TermName.WEIGHTS)),
        "context": sum(t.best for t in memory.of(TermName.KV, TermName.RECURRENT)),
        "compute": sum(t.best for t in compute),
        "compute_high": sum(t.high for t in compute if t.best),
        "cuda_extra": sum(t.high for t in compute if not t.best),
    }


def estimate(
    model: str | PathLike[str],
    argv: Sequence[str] = (),
    devices: Sequence[int] = (),
    *,
    build: int = LATEST_BUILD,
) -> Estimate:
    """What llama-server of this build would take with these options on devices of these free bytes.

    `model` is a GGUF file or its header. Raises TypeError and ValueError for arguments of another form, FormatError
    and FactsError for a file that cannot be read, Refused for what the engine turns down, UnknownArchitecture for
    what no rule explains.
    """
    sizes = _sizes(devices)
    params = parse_argv(_words(argv), build=build)
    path = Path(model)
    facts = _facts(path, path.stat().st_mtime_ns if path.exists() else 0)
    return Estimate(facts, params, footprint(facts, params, sizes))


def _words(argv: Sequence[str]) -> Sequence[str]:
    if isinstance(argv, str):
        raise TypeError(f'argv is a list of arguments; shlex.split makes one of "{argv}"')
    for word in argv:
        if not isinstance(word, str):
            raise TypeError(f"argv is a list of strings, and {word!r} is none: write {str(word)!r}")
    return argv


def _sizes(devices: Sequence[int]) -> tuple[int, ...]:
    if isinstance(devices, str | int):
        raise TypeError(f"devices is a list, with the free bytes of each GPU: [{devices!r}]")
    for size in devices:
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"devices are free bytes, whole numbers such as 24 * 2**30; {size!r} is none")
        if size < 0:
            raise ValueError(f"a device cannot have {size} bytes")
    return tuple(devices)


@lru_cache(maxsize=64)
def _facts(path: Path, _changed: int) -> ModelFacts:
    return derive(read_gguf(path))


def parse_argv(argv: Sequence[str], *, build: int = LATEST_BUILD) -> LlamaParams:
    """The memory-relevant options of a llama-server command line. Raises Refused with all that it would turn down."""
    parsed = read_argv(argv, build=build)
    if parsed.refusals:
        told = (f"{r.message} ({r.hint})" if r.hint else r.message for r in parsed.refusals)
        raise Refused("argument", "\n  ".join(told))
    return parsed.params
