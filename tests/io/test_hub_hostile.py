"""Headers that were made to hurt, over HTTP: a clear error in under a second and 100 MiB."""

import struct
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from stackgen.domain.header import GgufHeader
from stackgen.formats import gguf, safetensors
from stackgen.io.client import FetchError, Patience
from stackgen.io.headers import Parse
from stackgen.io.hub import Hub
from tests.support.fake_hub import FakeHub, serving
from tests.support.gguf_builder import ARRAY, STRING, build_gguf
from tests.support.hub_files import put

GIB = 1024**3
REPO = "owner/hostile"


def entry(kind: int, body: bytes, entries: int = 1) -> bytes:
    """A header whose first metadata entry is this; zeros follow, up to 10 GiB."""
    count = struct.pack("<IQQ", 3, 0, entries)
    return b"GGUF" + count + struct.pack("<Q", 1) + b"k" + struct.pack("<I", kind) + body


def nested(depth: int) -> bytes:
    return b"".join(struct.pack("<IQ", ARRAY, 1) for _ in range(depth)) + struct.pack("<IQ", 4, 0)


GGUF = {
    "a string of 10 GiB": entry(STRING, struct.pack("<Q", 10 * GIB)),
    # All of it is read, and then there are two entries with an empty name.
    "a string of 31 MiB": entry(STRING, struct.pack("<Q", 31 * 1024**2), 3),
    "a string of 2^64 - 1": entry(STRING, struct.pack("<Q", 2**64 - 1)),
    "2^60 strings": entry(ARRAY, struct.pack("<IQ", STRING, 2**60)),
    "2^60 numbers": entry(ARRAY, struct.pack("<IQ", 4, 2**60)),
    "a million lists": entry(ARRAY, struct.pack("<IQ", ARRAY, 1_000_000)),
    "lists in lists": entry(ARRAY, nested(10_000)),
    "2^60 tensors": b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0),
    "2^60 entries": b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
    "99,999 empty entries": b"GGUF" + struct.pack("<IQQ", 3, 0, 99_999),
    "an unknown version": b"GGUF" + struct.pack("<IQQ", 4, 0, 0),
    "zeros": bytes(64),
    "a page": b"<!DOCTYPE html><html>" + bytes(64),
    "more tensors than there are": build_gguf({"general.architecture": "llama"})[:8]
    + struct.pack("<QQ", 90_000, 0),
}
SAFETENSORS = {
    "a header of 10 GiB": struct.pack("<Q", 10 * GIB),
    "a header of 31 MiB of zeros": struct.pack("<Q", 31 * 1024**2),
    "lists in lists": struct.pack("<Q", 1_000_000) + b"[" * 1_000_000,
    "a number without end": struct.pack("<Q", 1_000_000) + b'{"a":' + b"1" * 999_995,
    "a page": b"<!DOCTYPE html><html>" + bytes(64),
}


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHub]:
    root = tmp_path_factory.mktemp("hub")
    put(root, REPO, {f"{name}.gguf": data for name, data in GGUF.items()})
    put(root, REPO, {f"{name}.safetensors": data for name, data in SAFETENSORS.items()})
    with serving(root) as hub:
        hub.big = {f"{REPO}/{f.name}": 10 * GIB for f in (root / REPO).iterdir()}
        yield hub


def parse_gguf(data: memoryview, file_size: int | None) -> GgufHeader:
    return gguf.parse_header(data, file_size=file_size)


def parse_safetensors(data: memoryview, file_size: int | None) -> tuple[safetensors.Tensor, ...]:
    return safetensors.parse_header(data, file_size=file_size)


def refused(fake: FakeHub, path: str, parse: Parse[object]) -> None:
    hub = Hub(fake.url, Patience(attempts=1))
    found = hub.repository(REPO)
    file = next(f for f in found.files if f.path == path)

    def read() -> FetchError:
        with pytest.raises(FetchError) as caught:
            hub.header(found, file, parse)
        return caught.value

    start = time.perf_counter()
    exc = read()
    seconds = time.perf_counter() - start
    tracemalloc.start()
    try:
        read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert exc.kind == "lock/header"
    assert path in str(exc)
    assert peak < 100 * 1024**2
    # Two of them have to be read to be refused: there it is the fake hub that takes the time.
    assert seconds < (5 if "MiB" in path else 1)


@pytest.mark.parametrize("name", GGUF)
def test_a_hostile_gguf_header_is_refused_soon_and_in_little_memory(fake: FakeHub, name: str) -> None:
    refused(fake, f"{name}.gguf", parse_gguf)


@pytest.mark.parametrize("name", SAFETENSORS)
def test_a_hostile_safetensors_header_is_refused_soon_and_in_little_memory(fake: FakeHub, name: str) -> None:
    refused(fake, f"{name}.safetensors", parse_safetensors)
