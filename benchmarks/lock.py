"""`stackgen lock` for twenty models over a link of 50 ms: round trips, seconds, requests, and bytes.

    python benchmarks/lock.py [MODELS] [MILLISECONDS] [TOKENS]

The hub runs in a process of its own. A round trip is added to each connection and to each answer; imports are
not counted. Headers have the size of real ones: nearly all of it is a tokenizer of 150,000 tokens. How many
round trips wait for one another is what ten times the latency adds, so that the machine's speed is not in it.

Nobody knows how long a header is before it is read, so its file is streamed until it ends. What the hub has
written by then and nobody reads is in the buffers of the two sockets, which on one machine hold some MB each;
a link carries what is under way on it. To ask for less at a time costs two round trips for each piece.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
TOKENS = 150_000
RUNS = 3
"""The fastest counts."""


def fill(root: Path, models: int, tokens: int = TOKENS) -> int:
    """Write a repository per model; gives the bytes of all headers."""
    from stackgen.formats.gguf import parse_header
    from tests.support.gguf_builder import STRING, Typed, build_gguf
    from tests.support.hub_files import header, put

    small = parse_header(header("qwen3-30b-a3b"))
    metadata = {k: v for k, v in small.metadata.items() if isinstance(v, int | float | str)}
    total = 0
    for number in range(models):
        words = Typed(STRING, [f"token{n * 7 + number}" for n in range(tokens)])
        data = build_gguf(metadata | {"tokenizer.ggml.tokens": words}, small.tensors)
        put(root, f"owner/m{number}-GGUF", {f"m{number}-Q4_K_M.gguf": data})
        total += len(data)
    return total


def serve(root: Path, latency: float) -> None:
    """Be the hub until stdin ends; then print how many requests there were, and the bytes that went out."""
    from tests.support.fake_hub import serving

    with serving(root) as hub:
        hub.latency = latency
        for folder in sorted(root.glob("*/*")):
            name = folder.relative_to(root).as_posix()
            hub.big |= {f"{name}/{file.name}": 20_000_000_000 for file in folder.iterdir()}
            hub.commit(name)
        print(hub.url, flush=True)
        sys.stdin.readline()
        print(len(hub.asked), hub.sent, flush=True)
        sys.stdin.readline()


def lock(url: str, models: int) -> float:
    """Seconds that it takes to resolve all models with an empty cache."""
    from stackgen.app.locking import relock
    from stackgen.domain.hosts import Host
    from stackgen.domain.linked import LinkedModel, LinkedStack, ModelRequest
    from stackgen.domain.lock import Lock
    from stackgen.domain.stack import Stack
    from stackgen.io.hub import Hub

    linked = {
        f"m{n}": LinkedModel(name=f"m{n}", request=ModelRequest(repo=f"owner/m{n}-GGUF", quant="Q4_K_M"))
        for n in range(models)
    }
    stack = LinkedStack(
        name="bench",
        hosts={},
        models=linked,
        services={},
        volumes={},
        headroom=0,
        stack=Stack(version=1, name="bench", hosts={"box": Host(platform="compose")}),
    )
    hub = Hub(url)
    start = time.perf_counter()
    made = relock(stack, Lock(), hub=hub)
    seconds = time.perf_counter() - start
    assert not made.failed, made.diagnostics
    assert len(made.lock.entries) == models
    return seconds


def _warm_up() -> None:
    """What every start of a program pays, network or not: imports, and the certificates of the machine."""
    import huggingface_hub

    import stackgen.app.resolving  # noqa: F401

    huggingface_hub.get_session()


class Measured(NamedTuple):
    """One lock with an empty cache."""

    seconds: float
    cpu: float
    requests: int
    read: int
    """Bytes of headers; each is kept as it was read."""
    written: int
    """Bytes that the hub wrote to its sockets."""


def measure(root: Path, models: int, latency: float) -> Measured:
    """Locks once."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        command = [sys.executable, __file__, "--serve", str(root), str(latency)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            before = time.process_time()
            seconds = lock(url, models)
            cpu = time.process_time() - before
            server.stdin.write("\n")
            server.stdin.flush()
            requests, written = map(int, server.stdout.readline().split())
            server.stdin.write("\n")
        read = sum(f.stat().st_size for f in Path(cache).rglob("*") if f.is_file())
    return Measured(seconds, cpu, requests, read, written)


def main() -> None:
    """Print the figures."""
    models = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    latency = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.05
    tokens = int(sys.argv[3]) if len(sys.argv) > 3 else TOKENS
    _warm_up()
    with tempfile.TemporaryDirectory() as folder:
        headers = fill(Path(folder), models, tokens)
        runs = [measure(Path(folder), models, latency) for _ in range(RUNS)]
        slow = measure(Path(folder), models, 10 * latency).seconds
    best, cpu = min(runs), min(run.cpu for run in runs)
    trips = (slow - best.seconds) / (9 * latency)
    print(f"{trips:5.1f} round trips wait for one another")
    print(
        f"{best.seconds:5.2f} s for {models} models at {latency * 1000:.0f} ms, of which {cpu:.2f} s of CPU time"
    )
    print(
        f"{best.requests / models:5.1f} requests per model: repository, file, and where the hub sends for its bytes"
    )
    print(
        f"{best.read / headers:5.2f} x the bytes of the headers, of {headers / models / 1e6:.1f} MB each, were read"
    )
    print(f"{best.written / headers:5.2f} x were written; what nobody reads is in the buffers of sockets")


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve(Path(sys.argv[2]), float(sys.argv[3]))
    else:
        main()
