"""Headers and listings as somebody might send them to do harm: well formed in all but a few places.

`python -m tests.support.mutants COUNT SEED` reads so many of them as `stackgen lock` and `plan` would, with no more
memory than a header may take, and prints as JSON what came of it. The same seed makes the same mutants.
"""

import json
import random
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from stackgen.app.resolving import _parse_config
from stackgen.domain.failure import Failure
from stackgen.domain.header import GgufHeader, SkippedArray, TensorInfo
from stackgen.domain.linked import ModelRequest
from stackgen.domain.llama import LlamaParams
from stackgen.domain.lock import Lock, LockEntry, Pin
from stackgen.domain.units import GIB, MIB
from stackgen.facts.derive import derive
from stackgen.facts.hf import derive as derive_config
from stackgen.formats import safetensors
from stackgen.formats.errors import Truncated
from stackgen.formats.gguf import merge_shards, parse_header, shard_count, shard_names
from stackgen.io.headers import read_json
from stackgen.io.hub import _listing
from stackgen.io.hub_client import HubClient
from stackgen.io.registry import _files
from stackgen.lock.codec import dumps, loads
from stackgen.lock.select import select
from stackgen.memory.llama import footprint
from tests.support.gguf_builder import BOOL, F64, I64, STRING, U8, U32, U64, Typed, build_gguf

HEADERS = Path(__file__).parents[1] / "headers"
MEMORY = 100 * MIB
"""What one header may take."""
LONGEST = 700
"""Characters of a clear message."""
BASES = (
    *(
        "llama-3.1-8b",
        "gemma-3n-e4b",
        "gemma-4-e4b",
        "deepseek-v2-lite",
        "glm-4.5-air",
        "gpt-oss-20b",
        "phi-4",
    ),
    *("qwen3-coder-next-80b-a3b", "granite-4.0-h-small", "kimi-linear-48b-a3b", "lfm2-8b-a1b", "bge-m3"),
    *("nemotron-3-nano-30b-a3b", "mamba2-codestral-7b", "llama-4-scout", "jamba-mini-1.7"),
)
BLOCKS = 3
EVERY_FOOTPRINT = 3
"""Of the headers that make sense, every so many are planned with as well."""

NUMBERS = (
    *(0, 1, 2, 3, 7, 31, 33, 255, 256, 4095, 4097, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1, 2**32),
    *(10 * GIB, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 32, 2**64 - 1),
)
NAMES = (
    *(
        "",
        "x",
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        "a\\..\\b",
        "blk.0.attn_q.weight",
        "blk.99999999.x.weight",
    ),
    *(
        "blk.-1.x",
        "blk.0.",
        "token_embd.weight",
        "a\x00b",
        "\x1b[31mred",
        "\u202egnp.exe",
        "😀" * 60,
        "é\u0301",
    ),
    *(
        "\ud800".encode("utf-8", "replace").decode(),
        "x" * 65_535,
        "x" * 65_536,
        "general.architecture",
        "split.count",
    ),
    *("model-00001-of-00002.gguf", "model-00002-of-00001.gguf", "a/../b-00001-of-00002.gguf", "NUL", "\n\n"),
)
JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 0.5, 1e308, 2**63, 10**30, "", "x", "../x", "😀", [], {}, [[]], [None], ["a", 1]),
    *({"a": {}}, [-1, 2**64], "0" * 40, "f" * 64, "F32", [2**62, 2**62], [0] * 20, 10 * GIB),
)
PAGES = (
    *(
        b"<!DOCTYPE html><html><body>Sign in</body></html>",
        b"  <HTML>",
        b"version https://git-lfs.github.com/spec/v1\n",
    ),
    *(
        b"",
        b"G",
        b"GGUF",
        b"GGML" + bytes(64),
        b"\xff" * 64,
        b"PK\x03\x04" + bytes(60),
        b'{"error": "gated"}',
    ),
)


def mutants(count: int, seed: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """A name for each mutant, and what reads it: the outcome, or an exception."""
    rng = random.Random(seed)  # noqa: S311  reproducible, not secret
    ways = [_gguf] * 13 + [_shards] * 2 + [_tensors] * 4 + [_hub] * 4 + [_registry] * 2 + [_config] * 4
    headers = [small(parse_header((HEADERS / f"{name}.gguf").read_bytes())) for name in BASES]
    for number in range(count):
        way = rng.choice(ways)
        yield f"{number} {way.__name__}", way(rng, headers)


def small(header: GgufHeader) -> GgufHeader:
    """The same model with a few of its blocks."""
    meta = {k: v for k, v in header.metadata.items() if not isinstance(v, SkippedArray)}
    kept = [t for t in header.tensors if not t.name.startswith("blk.") or int(t.name.split(".")[1]) < BLOCKS]
    meta[f"{header.architecture}.block_count"] = BLOCKS
    return GgufHeader(
        metadata=meta, tensors=tuple(kept), alignment=32, header_bytes=0, file_bytes=0, big_endian=False
    )


def _gguf(rng: random.Random, headers: Sequence[GgufHeader]) -> Callable[[], str]:
    data = _written(rng, rng.choice(headers))
    size = rng.choice((None, len(data), len(data) + 10 * GIB, 10 * GIB, 2**62))
    deep = rng.randrange(EVERY_FOOTPRINT) == 0
    return lambda: _read([data], size, deep=deep)


def _written(rng: random.Random, header: GgufHeader) -> bytes:
    """A file with some of its entries, tensors or bytes made up."""
    if rng.random() < 0.02:
        return rng.choice(PAGES)
    entries: list[tuple[str, Any]] = list(header.metadata.items())
    tensors = list(header.tensors)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        rng.choice((_other_entry, _other_entry, _other_tensor))(rng, entries, tensors)
    order = rng.choice("<<<>")
    data = bytearray(build_gguf(entries, tensors, order=order, version=rng.choice((3, 3, 3, 2, 1, 4))))
    for _ in range(rng.choice((0, 0, 1, 1, 3))):
        _other_bytes(rng, data, order)
    if rng.random() < 0.05:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def _other_entry(rng: random.Random, entries: list[tuple[str, Any]], _: list[TensorInfo]) -> None:
    at = rng.randrange(len(entries))
    key, value = entries[at]
    match rng.randrange(8):
        case 0:
            entries[at] = (rng.choice(NAMES), value)
        case 1:
            entries.append(rng.choice(entries))
        case 2:
            del entries[at]
        case 3:
            entries[at] = (key, Typed(rng.choice((U64, F64)), rng.choice(NUMBERS)))
        case 4:
            entries[at] = (key, Typed(STRING, rng.choice(NAMES)))
        case 5:
            kind, item = rng.choice(
                ((U32, 2**32 - 1), (I64, -1), (BOOL, True), (STRING, "😀"), (F64, float("nan")))
            )
            entries[at] = (key, Typed(kind, [item] * rng.choice((0, 1, BLOCKS, 5000))))
        case 6:
            entries[at] = (key, _nested(rng.choice((2, 4, 5, 60))))
        case _:
            many = [(f"{key}.{n}", Typed(U8, bytes(4000))) for n in range(rng.choice((3, 70)))]
            entries += many


def _nested(depth: int) -> Any:
    value: Any = [1]
    for _ in range(depth):
        value = [value, [1]] if isinstance(value[0], list) else [value]
    return value


def _other_tensor(rng: random.Random, _: list[tuple[str, Any]], tensors: list[TensorInfo]) -> None:
    at = rng.randrange(len(tensors)) if tensors else 0
    if not tensors:
        return
    tensor = tensors[at]
    match rng.randrange(6):
        case 0:
            tensors[at] = tensor._replace(name=rng.choice(NAMES))
        case 1:
            tensors.append(tensor)
        case 2:
            shape = tuple(rng.choice(NUMBERS) % 2**64 for _ in range(rng.randrange(6)))
            tensors[at] = tensor._replace(shape=shape)
        case 3:
            tensors[at] = tensor._replace(type_id=rng.choice((3, 4, 5, 30, 99, 2**32 - 1)))
        case 4:
            tensors[at] = tensor._replace(offset=rng.choice(NUMBERS) % 2**64)
        case _:
            del tensors[rng.randrange(len(tensors)) :]


def _other_bytes(rng: random.Random, data: bytearray, order: str) -> None:
    """A number where a count, a length or a type may stand."""
    at = rng.choice((8, 16, 4, rng.randrange(24, max(25, len(data)))))
    code = rng.choice(("Q", "I", "B"))
    end = at + struct.calcsize(code)
    if end <= len(data):
        data[at:end] = struct.pack(order + code, rng.choice(NUMBERS) % 2 ** (8 * (end - at)))


def _shards(rng: random.Random, headers: Sequence[GgufHeader]) -> Callable[[], str]:
    """Files of a split model, of which some say another number, another count, or that they are the first."""
    header, count = rng.choice(headers), rng.choice((2, 3, 5))
    parts = []
    for number in range(count):
        told = rng.choice((count, 1, 0, 65_535)) if rng.random() < 0.1 else count
        split = {
            "split.no": rng.choice((0, count, 65_535)) if rng.random() < 0.1 else number,
            "split.count": told,
        }
        split["split.tensors.count"] = rng.choice((len(header.tensors), 0, 2**31 - 1))
        meta = {**(header.metadata if number == 0 or rng.random() < 0.2 else {}), **split}
        parts.append(build_gguf(meta, header.tensors[number::count]))
    if rng.random() < 0.3:
        parts.append(rng.choice(parts))
    name = rng.choice(NAMES)

    def read() -> str:
        shard_names(name, count)
        return _read(parts, None, deep=False)

    return read if rng.random() < 0.3 else lambda: _read(parts, None, deep=False)


def _read(files: Iterable[bytes], size: int | None, *, deep: bool) -> str:
    """As the lock does it: headers, facts, text, facts; and as a plan does it with `deep`."""
    headers = [parse_header(memoryview(data), file_size=size, passed={}) for data in files]
    for header in headers:
        if (count := shard_count(header)) > 1:
            shard_names(f"m-00001-of-{count:05}.gguf", count)
    facts = derive(merge_shards(headers))
    entry = LockEntry(request=ModelRequest(repo="o/r", quant="Q4_K_M"), pin=Pin(repo="o/r"), facts=facts)
    assert loads(dumps(Lock(entries={"m": entry}))).entries["m"].facts == facts
    if deep:
        footprint(facts, LlamaParams(n_ctx=4096, n_parallel=1), [24 * GIB, 24 * GIB])
        return "planned"
    return "read"


def _tensors(rng: random.Random, _headers: Sequence[GgufHeader]) -> Callable[[], str]:
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for n in range(rng.choice((1, 3, 20))):
        entries[f"model.layers.{n}.w"] = {"dtype": "BF16", "shape": [4, 8], "data_offsets": [end, end + 64]}
        end += 64
    for _ in range(rng.choice((0, 1, 2))):
        name = rng.choice(list(entries))
        part = entries[name]
        if isinstance(part, dict) and rng.random() < 0.7:
            part[rng.choice((*part, "more"))] = deepcopy(rng.choice(JUNK))
        elif rng.random() < 0.5:
            entries[rng.choice(NAMES)] = entries.pop(name)
        else:
            entries[name] = deepcopy(rng.choice(JUNK))
    raw = _as_bytes(rng, entries)
    length = rng.choice((len(raw), len(raw), len(raw), *NUMBERS)) % 2**64
    data = rng.choice(PAGES) if rng.random() < 0.02 else struct.pack("<Q", length) + raw
    size = rng.choice((None, len(data) + end, 8 + len(raw) + end, 10 * GIB))

    def read() -> str:
        entry = LockEntry(
            request=ModelRequest(repo="o/r"),
            pin=Pin(repo="o/r"),
            tensors=safetensors.groups(safetensors.parse_header(memoryview(data), file_size=size)),
        )
        assert loads(dumps(Lock(entries={"m": entry}))).entries["m"] == entry
        return "read"

    return read


CONFIG: dict[str, Any] = {
    "model_type": "qwen3_moe",
    "num_hidden_layers": 3,
    "hidden_size": 64,
    "vocab_size": 1000,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 4096,
    "sliding_window": 512,
    "layer_types": ["full_attention", "linear_attention", "sliding_attention"],
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "kv_lora_rank": None,
    "quantization_config": {"quant_method": "exl3", "bits": 4.0},
    "text_config": None,
}


def _config(rng: random.Random, _headers: Sequence[GgufHeader]) -> Callable[[], str]:
    """config.json beside the tensors of a few layers."""
    config = deepcopy(CONFIG)
    inside = {key: config.pop(key) for key in list(config)[:8]} if rng.random() < 0.2 else None
    if inside:
        config["text_config"] = inside
    for _ in range(rng.choice((0, 1, 2, 4))):
        part = inside if inside and rng.random() < 0.5 else config
        part[rng.choice(list(CONFIG))] = deepcopy(rng.choice((*JUNK, *NUMBERS, *NAMES)))
    raw = _as_bytes(rng, config)
    names = (
        "self_attn.k_proj.weight",
        "mlp.experts.0.up_proj.trellis",
        "linear_attn.in_proj.weight",
        "",
        "x" * 3000,
    )
    layers = rng.choice((0, 1, 3, 4, 4095, 4096, 10**9))
    tensors = tuple(
        safetensors.Tensor(
            f"model.layers.{layer}.{rng.choice(names)}", "BF16", rng.choice(((32, 64), (), (0,))), 4096
        )
        for layer in (*range(min(3, layers)), layers)
    )

    def read() -> str:
        facts, _ = derive_config(_parse_config(memoryview(raw), len(raw)), tensors)
        entry = LockEntry(request=ModelRequest(repo="o/r"), pin=Pin(repo="o/r"), facts=facts)
        assert loads(dumps(Lock(entries={"m": entry}))).entries["m"].facts == facts
        return "read"

    return read


def _as_bytes(rng: random.Random, value: Any) -> bytes:
    """JSON, now and then with a few bytes of something else."""
    raw = bytearray(json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass"))
    match rng.randrange(12):
        case 0:
            raw = bytearray(b"[" * rng.choice((500, 100_000))) + raw
        case 1:
            raw += bytes(rng.choice((b"}", b" " * 1000, b",", b"\x00", b"{}")))
        case 2:
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        case 3:
            del raw[rng.randrange(len(raw)) :]
        case 4:
            raw = raw.replace(b"0", b"1" * rng.choice((30, 5000)), 1)
        case _:
            pass
    return bytes(raw)


def _hub(rng: random.Random, _headers: Sequence[GgufHeader]) -> Callable[[], str]:
    """A hub's answer about a repository."""
    shards = [f"m-Q4_K_M-{n:05}-of-00003.gguf" for n in (1, 2, 3)]
    files = [
        {"rfilename": name, "size": 1000, "blobId": "a" * 40, "lfs": {"sha256": "b" * 64, "size": 1000}}
        for name in (*shards, "mmproj-F16.gguf", "config.json", "m-Q8_0.gguf")
    ]
    listing: dict[str, Any] = {
        "sha": "c" * 40,
        "siblings": files,
        "gated": False,
        "cardData": {"license": "mit"},
    }
    for _ in range(rng.choice((0, 1, 2, 4))):
        file = rng.choice(files)
        match rng.randrange(5):
            case 0:
                file["rfilename"] = rng.choice(NAMES)
            case 1:
                file[rng.choice(list(file))] = deepcopy(rng.choice(JUNK))
            case 2:
                listing[rng.choice(list(listing))] = deepcopy(rng.choice(JUNK))
            case 3:
                file["rfilename"] = (
                    f"m-Q4_K_M-{rng.choice((0, 1, 4, 99_999)):05}-of-{rng.choice((1, 3, 99_999)):05}.gguf"
                )
            case _:
                listing["siblings"] = files * rng.choice((1, 2, 500))
    raw = _as_bytes(rng, listing)
    request = ModelRequest(
        repo="o/r", quant=rng.choice(("Q4_K_M", "Q8_0", None)), mmproj=rng.choice((None, "mmproj-F16.gguf"))
    )

    def read() -> str:
        client = HubClient("http://127.0.0.1:9")
        pin = _listing(read_json(_Answer(raw), "o/r", client)[0], "o/r", client)  # type: ignore[arg-type]
        found = select(request, pin.files, ("models", "m"))
        entry = LockEntry(request=request, pin=Pin(repo="o/r", commit=pin.commit, files=found.files))
        assert loads(dumps(Lock(entries={"m": entry}))).entries["m"] == entry
        for file in found.files:
            target = entry.target(file)
            assert target.is_relative_to("o/r")
            assert ".." not in target.parts
        assert all(d.message.isprintable() for d in found.diagnostics)
        return "said" if found.diagnostics else "read"

    return read


def _registry(rng: random.Random, _headers: Sequence[GgufHeader]) -> Callable[[], str]:
    """A registry's manifest of a model."""
    kinds = ("model", "projector", "template", "params", "license", "license", "adapter")
    layers: list[Any] = [
        {"mediaType": f"application/vnd.ollama.image.{kind}", "size": 10, "digest": f"sha256:{'d' * 64}"}
        for kind in kinds[: rng.choice((1, 3, 6, 7))]
    ]
    manifest: dict[str, Any] = {"schemaVersion": 2, "layers": layers}
    for _ in range(rng.choice((0, 1, 2))):
        layer = rng.choice(layers)
        match rng.randrange(4):
            case 0 if isinstance(layer, dict):
                layer[rng.choice(list(layer))] = deepcopy(rng.choice((*JUNK, *NAMES)))
            case 1:
                manifest["layers"] = deepcopy(rng.choice(JUNK))
            case 2:
                layers[0] = deepcopy(rng.choice(JUNK))
            case _:
                manifest["layers"] = layers * rng.choice((1, 2, 3000))
    raw = _as_bytes(rng, manifest)

    def read() -> str:
        data, _ = read_json(_Answer(raw), "m", HubClient("http://127.0.0.1:9"))  # type: ignore[arg-type]
        assert all("/" not in file.path for file in _files(data, "m"))
        return "read"

    return read


class _Answer:
    """A body as it comes from a server."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def chunks(self, *, decoded: bool = False) -> Iterator[bytes]:
        yield from (self.body[at : at + 65_536] for at in range(0, len(self.body), 65_536))


def main(count: int, seed: int) -> None:
    """Read them all, one after another, and print what came of it."""
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    slowest = (0.0, "")
    before = _taken()
    for name, read in mutants(count, seed):
        start = time.perf_counter()
        with _little_memory():
            outcome, problem = _outcome(read)
        outcomes[f"{name.split()[1][1:]}: {outcome}"] += 1
        if problem:
            wrong.append(f"{name}: {problem}")
        slowest = max(slowest, (time.perf_counter() - start, name))
    grown = _taken() - before
    print(json.dumps({"outcomes": outcomes, "wrong": wrong, "slowest": slowest, "grown": grown}))  # noqa: T201


def _outcome(read: Callable[[], str]) -> tuple[str, str | None]:
    """What became of one, and what is wrong with that."""
    try:
        return read(), None
    except Truncated as exc:
        return "more", f"asks for {exc.need} bytes" if exc.need > 64 * MIB else None
    except Failure as exc:
        text = str(exc)
        clear = 0 < len(text) < LONGEST and text.isprintable()
        return f"refused by {type(exc).__name__}", None if clear else f"says {text[: 2 * LONGEST]!r}"
    except (Exception, MemoryError) as exc:  # noqa: BLE001  anything else is what is looked for
        return "wrong", f"{type(exc).__name__}: {str(exc)[:300]}"


def _taken() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@contextmanager
def _little_memory() -> Iterator[None]:
    most = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_AS, (_taken() + MEMORY, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
