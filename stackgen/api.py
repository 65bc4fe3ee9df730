"""The public Python API: the memory of a llama-server command line, before anything is started."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Footprint, Memory, TermName
from stackgen.domain.llama import LlamaParams
from stackgen.facts.derive import derive
from stackgen.io.local import read_gguf
from stackgen.memory.llama import footprint


@dataclass(frozen=True, slots=True)
class Estimate:
    """Memory per device and on the host; `footprint` has each term with its arithmetic."""

    facts: ModelFacts
    params: LlamaParams
    footprint: Footprint

    def to_dict(self) -> dict[str, Any]:
        """Bytes: `{"devices": [{"model", "context", "compute", "compute_high"}, ...], "host": {...}}`."""
        host = _row(self.footprint.host)
        del host["compute_high"]
        return {"devices": [_row(m) for m in self.footprint.devices], "host": host}


def _row(memory: Memory) -> dict[str, int]:
    compute = memory.of(TermName.COMPUTE)
    return {
        "model": sum(t.best for t in memory.of(TermName.WEIGHTS)),
        "context": sum(t.best for t in memory.of(TermName.KV, TermName.RECURRENT)),
        "compute": sum(t.best for t in compute),
        "compute_high": sum(t.high for t in compute),
    }


def estimate(model: str | PathLike[str], argv: Sequence[str] = (), devices: Sequence[int] = ()) -> Estimate:
    """What llama-server would take with these options on devices of these free bytes.

    `model` is a GGUF file or its header. Raises ValueError for an unknown option, FormatError and FactsError
    for a file that cannot be read, Refused for what the engine turns down, UnknownArchitecture for what no
    rule explains.
    """
    path = Path(model)
    facts = _facts(str(path), path.stat().st_mtime_ns)
    params = parse_argv(argv)
    return Estimate(facts, params, footprint(facts, params, devices))


@lru_cache(maxsize=64)
def _facts(path: str, _changed: int) -> ModelFacts:
    return derive(read_gguf(Path(path)))


_INTEGERS: dict[tuple[str, ...], str] = {
    ("-c", "--ctx-size"): "n_ctx",
    ("-np", "--parallel"): "n_parallel",
    ("-b", "--batch-size"): "n_batch",
    ("-ub", "--ubatch-size"): "n_ubatch",
    ("-mg", "--main-gpu"): "main_gpu",
    ("-ncmoe", "--n-cpu-moe"): "n_cpu_moe",
}
_WORDS: dict[tuple[str, ...], str] = {
    ("-ctk", "--cache-type-k"): "type_k",
    ("-ctv", "--cache-type-v"): "type_v",
    ("-sm", "--split-mode"): "split_mode",
}
_SWITCHES: dict[tuple[str, ...], tuple[str, bool] | None] = {
    ("-cmoe", "--cpu-moe"): ("cpu_moe", True),
    ("--swa-full",): ("swa_full", True),
    ("-nkvo", "--no-kv-offload"): ("kv_offload", False),
    ("-kvu", "--kv-unified"): ("kv_unified", True),
    ("-no-kvu", "--no-kv-unified"): ("kv_unified", False),
    ("--embedding", "--embeddings", "--rerank", "--reranking"): ("embeddings", True),
    ("-nr", "--no-repack"): None,
    ("-v", "--verbose", "--log-verbose"): None,
}


def parse_argv(argv: Sequence[str]) -> LlamaParams:
    """The memory-relevant options of a llama-server command line. Raises ValueError."""
    values: dict[str, Any] = {}
    words = iter(argv)
    for word in words:
        switch = _find(_SWITCHES, word)
        if switch is not None or any(word in names for names in _SWITCHES):
            if switch:
                values[switch[0]] = switch[1]
        elif name := _find(_INTEGERS, word):
            values[name] = int(_next(words, word))
        elif name := _find(_WORDS, word):
            values[name] = _next(words, word)
        else:
            values.update(_special(word, words))
    return LlamaParams(**values)


def _special(word: str, words: Iterator[str]) -> dict[str, Any]:
    if word in ("-fa", "--flash-attn"):
        text = _next(words, word)
        return {"flash_attn": {"1": "on", "true": "on", "0": "off", "false": "off"}.get(text, text)}
    if word in ("-ngl", "--gpu-layers", "--n-gpu-layers"):
        text = _next(words, word)
        return {"n_gpu_layers": -1 if text in ("all", "auto") else int(text)}
    if word in ("-ts", "--tensor-split"):
        return {"tensor_split": tuple(float(x) for x in _next(words, word).replace("/", ",").split(","))}
    if word in ("-ot", "--override-tensor"):
        pairs = (item.rpartition("=") for item in _next(words, word).split(","))
        return {"override_tensor": tuple((pattern, kind) for pattern, _, kind in pairs)}
    raise ValueError(f"unknown option {word}")


def _find(table: dict[tuple[str, ...], Any], word: str) -> Any:
    return next((value for names, value in table.items() if word in names), None)


def _next(words: Iterator[str], option: str) -> str:
    try:
        return next(words)
    except StopIteration:
        raise ValueError(f"{option} needs a value") from None
