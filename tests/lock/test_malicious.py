"""Ten thousand headers and listings that want to do harm: clear errors, soon, in little memory."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stackgen.domain.units import MIB

ROOT = Path(__file__).parents[2]
COUNT = 10_000
HANGS = 20.0
"""Seconds that none may take on whatever machine; most take a millisecond, the slowest a quarter of a second."""
CACHES = 200 * MIB
"""What all of them together may leave behind."""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What became of them; each is read with 100 MiB of memory to do so."""
    command = [sys.executable, "-m", "tests.support.mutants", str(COUNT), "11434"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    data: dict[str, Any] = json.loads(run.stdout)
    return data


def test_each_is_read_or_refused_with_a_clear_error(told: dict[str, Any]) -> None:
    assert told["wrong"] == []


def test_none_takes_long_and_nothing_piles_up(told: dict[str, Any]) -> None:
    assert told["slowest"][0] < HANGS, told["slowest"]
    assert told["grown"] < CACHES


def test_they_are_of_all_kinds_and_not_all_nonsense(told: dict[str, Any]) -> None:
    assert sum(told["outcomes"].values()) == COUNT
    found: Counter[str] = Counter()
    for name, count in told["outcomes"].items():
        kind, _, outcome = name.partition(": ")
        found[kind] += count
        found[outcome.split()[0]] += count
    for kind in ("gguf", "shards", "tensors", "config", "hub", "registry", "read", "planned", "more", "said"):
        assert found[kind] >= COUNT // 100, found
    assert found["refused"] > COUNT // 4
