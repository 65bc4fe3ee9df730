"""Twenty models in the round trips of one: every request of a kind is under way before the first is answered."""

import threading
from pathlib import Path

import pytest

from stackgen.app.locking import relock
from stackgen.domain.hosts import Host
from stackgen.domain.linked import LinkedModel, LinkedStack, ModelRequest
from stackgen.domain.lock import Lock
from stackgen.domain.stack import Stack
from stackgen.io.client import Patience
from stackgen.io.hub import Hub
from tests.support.fake_hub import serving
from tests.support.hub_files import header, put

MODELS = 20


def test_twenty_models_take_three_answers_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = header("phi-4")
    for number in range(MODELS):
        # Different bytes, or one header would do for all.
        put(tmp_path / "hub", f"owner/m{number}-GGUF", {f"m{number}-Q4_K_M.gguf": data + bytes([number])})
    models = {
        f"m{n}": LinkedModel(name=f"m{n}", request=ModelRequest(repo=f"owner/m{n}-GGUF", quant="Q4_K_M"))
        for n in range(MODELS)
    }
    hosts = {"box": Host(platform="compose")}
    stack = LinkedStack(
        name="many",
        hosts={},
        models=models,
        services={},
        volumes={},
        headroom=0,
        stack=Stack(version=1, name="many", hosts=hosts),
    )
    # Each wave goes on only when all of it has arrived. One that never does breaks, and so does the lock.
    waves = {part: threading.Barrier(MODELS, timeout=20) for part in ("/api/", "/resolve/", "/cdn/")}

    def meet(path: str) -> None:
        next(wave for part, wave in waves.items() if part in path).wait()

    with serving(tmp_path / "hub") as fake:
        fake.big = {f"owner/m{n}-GGUF/m{n}-Q4_K_M.gguf": 20_000_000_000 for n in range(MODELS)}
        fake.meet = meet
        made = relock(stack, Lock(), hub=Hub(fake.url, Patience(attempts=1)))
    assert made.diagnostics == ()
    assert len(made.lock.entries) == MODELS
    assert len(fake.asked) == 3 * MODELS
