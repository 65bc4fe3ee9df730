"""stack.lock as text and back."""

import json
from pathlib import Path

import pytest

from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import Lock, LockedFile, LockEntry, Pin, TensorGroup
from stackgen.facts.derive import derive
from stackgen.formats.gguf import parse_header
from stackgen.lock.codec import LockError, dumps, loads

HEADERS = Path(__file__).parents[1] / "headers"


def entry(header: str) -> LockEntry:
    return LockEntry(
        request=ModelRequest(
            repo="o/r", quant="Q4_K_M", files=(("loras", "a"), ("loras", "b"), ("vae", "ae.safetensors"))
        ),
        pin=Pin(
            repo="o/r",
            commit="0" * 40,
            files=(
                LockedFile(path="a.gguf", size=3, sha256="f" * 64),
                LockedFile(path="c.json", size=1, oid="e" * 40),
            ),
            licence="apache-2.0",
            gated=True,
        ),
        mmproj=7,
        tensors=(TensorGroup(name="model.layers.*.weight", type="BF16", count=3, size=9),),
        facts=derive(parse_header((HEADERS / f"{header}.gguf").read_bytes())),
    )


@pytest.mark.parametrize("header", sorted(p.stem for p in HEADERS.glob("*.gguf")))
def test_every_model_survives_the_round_trip_in_little_space(header: str) -> None:
    lock = Lock(entries={"model": entry(header)})
    text = dumps(lock)
    assert loads(text) == lock
    assert dumps(loads(text)) == text
    # Real headers take 4 to 8 MiB, these without a tokenizer 24 to 120 KiB.
    assert len(text) < 24_000


def test_entries_are_sorted_and_a_change_touches_few_lines() -> None:
    first = entry("llama-3.1-8b")
    text = dumps(Lock(entries={"b": first, "a": first}))
    assert list(json.loads(text)["models"]) == ["a", "b"]
    moved = LockEntry(
        request=first.request, pin=Pin(repo="o/r", commit="1" * 40, files=first.pin.files), facts=first.facts
    )
    before, after = text.splitlines(), dumps(Lock(entries={"b": moved, "a": first})).splitlines()
    assert len(set(before) ^ set(after)) <= 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a lock file"),
        ('{"version": "1"}', "is not a lock file"),
        ('{"version": 2, "models": {}}', "has version 2; this stackgen reads version 1"),
        ('{"version": 1}', "is damaged"),
        ('{"version": 1, "models": []}', "is damaged"),
        ('{"version": 1, "models": {"a": {"request": {}}}}', "is damaged"),
        ('{"version": 1, "models": {"a": {"request": {"rep": 1}, "pin": {"files": []}}}}', "is damaged"),
    ],
)
def test_what_is_not_a_lock_is_refused_with_a_way_out(text: str, message: str) -> None:
    with pytest.raises(LockError, match=message) as caught:
        loads(text)
    assert caught.value.status == 3
    assert caught.value.hint
