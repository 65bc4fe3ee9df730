"""Time and memory of reading a GGUF header with a large tokenizer, as ratios.

    python benchmarks/gguf_header.py [TOKENS]

The floor is reading the bytes; llama.cpp's own Python reader is compared on a tenth of the tokens. Each peak
is that of a process of its own (Linux only).
"""

import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LETTERS = b"etaoinshrdlucmfwypvbgkjqxz"
U32, I32, F32, STRING, ARRAY = 4, 5, 6, 8, 9


def text(raw: bytes) -> bytes:
    """A string as a header stores it."""
    return struct.pack("<Q", len(raw)) + raw


def array(key: bytes, kind: int, length: int, items: bytes) -> bytes:
    """A metadata entry that is an array."""
    return text(key) + struct.pack("<IIQ", ARRAY, kind, length) + items


def header(n_tokens: int, n_tensors: int = 300) -> bytes:
    """A header with as many tokens, scores, token types and merges as asked, sized as real ones are."""
    rng = random.Random(1)  # noqa: S311  the same header on every run

    def words(least: int, rare_long: float) -> bytes:
        sizes = (least + min(14, int(rng.expovariate(0.28))) for _ in range(n_tokens))
        long = (rng.randrange(64, 200) if rng.random() < rare_long else size for size in sizes)
        return b"".join(text(bytes(rng.choices(LETTERS, k=size))) for size in long)

    entries = [
        text(b"general.architecture") + struct.pack("<I", STRING) + text(b"llama"),
        array(b"tokenizer.ggml.tokens", STRING, n_tokens, words(1, 0.001)),
        array(b"tokenizer.ggml.scores", F32, n_tokens, bytes(4 * n_tokens)),
        array(b"tokenizer.ggml.token_type", I32, n_tokens, bytes(4 * n_tokens)),
        array(b"tokenizer.ggml.merges", STRING, n_tokens, words(3, 0.0)),
    ]
    tensors = [
        text(b"blk.%d.ffn_up.weight" % n) + struct.pack("<IQIQ", 1, 32, 0, n * 128) for n in range(n_tensors)
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, n_tensors, len(entries)) + b"".join(entries + tensors)
    return head + bytes(-len(head) % 32) + bytes(128 * n_tensors)


def fastest(action: Callable[[Path], object], path: Path, runs: int) -> float:
    """Milliseconds of the fastest run."""

    def once() -> float:
        start = time.perf_counter()
        action(path)
        return time.perf_counter() - start

    return 1000 * min(once() for _ in range(runs))


def peak_mib(path: Path | None) -> float:
    """Peak memory of a process that imports the reader, and reads the header of a file if one is given."""
    read = f"read_gguf(Path({str(path)!r}))" if path else "None"
    code = f"""
from pathlib import Path
from stackgen.io.local import read_gguf
{read}
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return int(done.stdout) / 1024


def main() -> None:
    """Print a line per comparison."""
    sys.path.insert(0, str(ROOT))
    from gguf import GGUFReader

    from stackgen.io.local import read_gguf

    n_tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 250_000
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder, "large.gguf"), Path(folder, "small.gguf")
        size = large.write_bytes(header(n_tokens))
        small.write_bytes(header(n_tokens // 10))
        floor, ours = fastest(Path.read_bytes, large, 15), fastest(read_gguf, large, 15)
        print(f"{n_tokens} tokens, {size / 2**20:.1f} MiB: {ours:.0f} ms, {ours / floor:.0f} x reading them")
        ours, theirs = fastest(read_gguf, small, 15), fastest(GGUFReader, small, 3)
        print(f"{n_tokens // 10} tokens: {ours:.1f} ms, {ours / theirs:.4f} x GGUFReader ({theirs:.0f} ms)")
        idle, peak = peak_mib(None), peak_mib(large)
        print(
            f"peak memory: {peak:.0f} MiB, {peak / idle:.1f} x a process that reads nothing ({idle:.0f} MiB)"
        )


if __name__ == "__main__":
    main()
