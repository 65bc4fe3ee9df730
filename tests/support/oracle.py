"""The engine's own figures, and how far ours are from them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import stackgen
from stackgen.domain.facts import ModelFacts
from stackgen.domain.units import MIB
from stackgen.facts.derive import derive
from stackgen.io.local import read_gguf

TESTS = Path(__file__).parents[1]
TERMS = ("model", "context", "compute")
BATCHES = ("public", "more", "random", "second", "third", "mixed")


@dataclass(frozen=True)
class Case:
    """One command line with the engine's answer in bytes."""

    id: str
    header: Path
    argv: tuple[str, ...]
    devices: tuple[int, ...]
    gpus: tuple[tuple[int, ...], ...] = ()
    host: tuple[int, ...] = ()
    layers: tuple[tuple[str, int], ...] = ()
    error: str = ""


@cache
def cases(name: str) -> tuple[Case, ...]:
    """The cases of `tests/oracle/cases_<name>.jsonl`."""
    return tuple(_cases(name))


def _cases(name: str) -> Iterator[Case]:
    for line in (TESTS / "oracle" / f"cases_{name}.jsonl").read_text().splitlines():
        row: dict[str, Any] = json.loads(line)
        yield Case(
            id=row["id"],
            header=header_path(row["header"]),
            argv=tuple(row["argv"]),
            devices=tuple(mib * MIB for mib in row["devices_mib"]),
            gpus=tuple(tuple(gpu) for gpu in row.get("gpus", ())),
            host=tuple(row.get("host", ())),
            layers=tuple((place, count) for place, count in row.get("layers", ())),
            error=row.get("error", ""),
        )


def header_path(name: str) -> Path:
    """A header of the public set, or of the cases' own."""
    public = TESTS / "headers" / f"{name}.gguf"
    return public if public.exists() else TESTS / "oracle" / "headers" / f"{name}.gguf"


def case(name: str) -> Case:
    """One public case."""
    return next(c for c in cases("public") if c.id == name)


@cache
def facts_of(header: str) -> ModelFacts:
    """The facts of one of the headers."""
    return derive(read_gguf(header_path(header)))


@dataclass
class Score:
    """How far the estimates are from the engine, over all places that hold anything."""

    exact: dict[str, list[int]] = field(default_factory=lambda: {t: [0, 0] for t in TERMS[:2]})
    """term: [within 1 MiB, asked]"""
    errors: list[tuple[float, str]] = field(default_factory=list)
    """Error of the total in per cent, with its place."""
    high: list[tuple[float, str]] = field(default_factory=list)
    """How far the upper bound is above the engine's total, in per cent."""
    buffers: list[tuple[float, str]] = field(default_factory=list)
    """The same for the upper bound of the compute buffer alone, without what CUDA may need on top."""
    under: tuple[int, str] = (0, "")
    """Most bytes that an upper bound was too low."""

    def add(self, place: str, real: tuple[int, ...], ours: dict[str, int], buffer_high: int) -> None:
        """Compare one place."""
        for i, (term, tally) in enumerate(self.exact.items()):
            if real[i] or ours[term]:
                tally[1] += 1
                tally[0] += abs(real[i] - ours[term]) <= MIB
        whole, guess = sum(real), sum(ours[t] for t in TERMS)
        fixed = ours["model"] + ours["context"]
        self.under = max(self.under, (whole - fixed - buffer_high, place))
        if whole:
            self.errors.append((100 * abs(guess - whole) / whole, place))
            self.buffers.append((100 * (fixed + buffer_high - whole) / whole, place))
            if "compute_high" in ours:
                self.high.append((100 * (fixed + ours["compute_high"] - whole) / whole, place))

    def share(self, term: str) -> float:
        """Per cent of the places where a term is right to 1 MiB."""
        right, asked = self.exact[term]
        return 100 * right / asked


def percentile(values: list[tuple[float, str]], p: int) -> float:
    """Nearest rank: always a value that occurred."""
    ranked = sorted(v for v, _ in values)
    return ranked[-(-len(ranked) * p // 100) - 1]


@cache
def score(name: str) -> tuple[Score, Score]:
    """(GPUs, host) over a file of cases, worked out once."""
    gpus, host = Score(), Score()
    for c in cases(name):
        estimate = stackgen.estimate(c.header, c.argv, c.devices)
        answer = estimate.to_dict()
        places = (*estimate.footprint.devices, estimate.footprint.host)
        buffers = [next(t.high for t in m.terms if t.name.value == "compute") for m in places]
        for i, real in enumerate(c.gpus):
            gpus.add(f"{c.id} {c.header.stem} GPU {i}", real, answer["devices"][i], buffers[i])
        host.add(f"{c.id} {c.header.stem} host", c.host, answer["host"], buffers[-1])
    return gpus, host
