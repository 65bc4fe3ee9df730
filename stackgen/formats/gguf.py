"""The header of a GGUF file, version 2 or 3, in either byte order: bytes in, `GgufHeader` out.

Nothing is sliced, built or looped over by a size that the file claims before the bytes for it are known
to be there. The layout is https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

import struct
from functools import lru_cache
from math import prod
from typing import Any, Final

from stackgen.domain.ggml import TYPES, tensor_bytes
from stackgen.domain.header import GgufHeader, MetaValue, SkippedArray, TensorInfo
from stackgen.domain.units import MIB, show_size
from stackgen.formats.errors import FormatError, Truncated
from stackgen.formats.gguf_split import merge_shards, shard_count, shard_names
from stackgen.formats.gguf_strings import end_of_strings

__all__ = [
    "MAX_HEADER",
    "FormatError",
    "Truncated",
    "merge_shards",
    "parse_header",
    "shard_count",
    "shard_names",
]

MAX_HEADER: Final = 32 * MIB
"""The largest headers in use take some 20 MiB, nearly all of it the tokenizer, which is passed over."""
MAX_ENTRIES: Final = 32_768
"""Tensors, and metadata entries; the largest models have some thousands."""
MAX_TEXT: Final = 4 * MIB
"""Bytes of all names and texts together; one wide character makes a text take four times its bytes."""
MAX_ITEMS: Final = 256 * 1024
"""Items of all arrays that are built, each of which takes up to ten times its bytes."""
MAX_NAME: Final = 65_535
"""Bytes of a key, as the format says; taken for tensor names as well."""
MAX_BUILT: Final = 4096
"""Longer arrays are passed over; those that describe layers have some hundred items."""
MAX_NESTING: Final = 4
MAX_DIMS: Final = 4
INT64_END: Final = 2**63

STRING: Final = 8
ARRAY: Final = 9
SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
LEAST_BYTES: Final = {kind: struct.calcsize(f"<{code}") for kind, code in SCALARS.items()} | {
    STRING: 8,
    ARRAY: 12,
}
LEAST_ENTRY: Final = 8 + 4 + 1
LEAST_TENSOR: Final = 8 + 4 + 4 + 8
PREAMBLE: Final = 4 + 4 + 8 + 8


STRINGS_AT_ONCE: Final = 8192
Passed = dict[int, tuple[int, int]]
"""By the place where an array of strings starts: how far it was passed over, and how many strings are left."""


@lru_cache(maxsize=64)
def _layout(codes: str) -> struct.Struct:
    return struct.Struct(codes)


class _Cursor:
    """A place in the bytes that never passes their end, nor what a header may take."""

    def __init__(self, data: bytes | memoryview, file_size: int | None, passed: Passed) -> None:
        self.data = data
        self.passed = passed
        self.file_size = file_size
        self.limit = MAX_HEADER if file_size is None else min(file_size, MAX_HEADER)
        self.end = min(len(data), self.limit)
        self.pos = 0
        self.order = "<"
        self.where = "the start"
        self.text_left, self.items_left = MAX_TEXT, MAX_ITEMS

    def require(self, size: int) -> None:
        """Raises Truncated or FormatError unless `size` more bytes are there."""
        need = self.pos + size
        if need <= self.end:
            return
        if need <= self.limit:
            raise Truncated(need)
        claim = f"at {self.where!r:.90}, the header claims at least {show_size(need)}"
        if self.file_size is not None and need > self.file_size:
            raise FormatError(
                f"{claim}, but the file has {show_size(self.file_size)}: it is cut short or damaged"
            )
        raise FormatError(f"{claim}; more than {show_size(MAX_HEADER)} is taken for damage")

    def take(self, size: int) -> int:
        """Steps over `size` bytes; gives the place where they start."""
        self.require(size)
        start, self.pos = self.pos, self.pos + size
        return start

    def read(self, codes: str) -> tuple[Any, ...]:
        """The next numbers, by their struct codes."""
        layout = _layout(self.order + codes)
        return layout.unpack_from(self.data, self.take(layout.size))

    def text(self, longest: int | None = None) -> str:
        """The next string; bytes that are not UTF-8 are replaced."""
        (size,) = self.read("Q")
        if longest is not None and size > longest:
            raise FormatError(f"after {self.where!r:.90}, a name claims {size} bytes; {longest} are allowed")
        self.text_left -= size
        if self.text_left < 0:
            claim = f"a text claims {show_size(size)}, and all of them may take {show_size(MAX_TEXT)}"
            raise FormatError(f"at {self.where!r:.90}, {claim}")
        start = self.take(size)
        return str(self.data[start : self.pos], "utf-8", "replace")

    def build(self, count: int) -> None:
        """Counts items that are about to be built. Raises FormatError when there are too many."""
        self.items_left -= count
        if self.items_left < 0:
            claim = f"arrays hold more than {MAX_ITEMS} items"
            raise FormatError(f"at {self.where!r:.90}, {claim}; that is taken for damage")

    def pass_over(self, item_type: int, length: int) -> SkippedArray:
        """Steps over the items of an array."""
        if item_type == STRING:
            self.take(self.end_of_strings(length) - self.pos)
        else:
            self.take(length * LEAST_BYTES[item_type])
        return SkippedArray(item_type, length)

    def end_of_strings(self, count: int) -> int:
        """Where the next strings end, or the least place where they may; goes on from where it came before."""
        pos, left = self.passed.get(self.pos, (self.pos, count))
        while left:
            some = min(left, STRINGS_AT_ONCE)
            end = end_of_strings(self.data, pos, some, self.end, self.order)
            if end > self.end:
                return end + LEAST_BYTES[STRING] * (left - some)
            pos, left = self.passed[self.pos] = (end, left - some)
        return pos


def parse_header(
    data: bytes | memoryview, *, file_size: int | None = None, passed: Passed | None = None
) -> GgufHeader:
    """The header at the start of `data`: a whole file, or as much of its beginning as there is so far.

    Whoever calls again with more bytes of the same file gives the same `passed`, so that the tokenizer is
    gone through only once.

    Arrays of the tokenizer, and any with more than MAX_BUILT items, are passed over (`SkippedArray`).
    Raises Truncated when more of the file is needed, FormatError when no more bytes can help.
    """
    cursor = _Cursor(data, file_size, {} if passed is None else passed)
    n_tensors, n_entries = _preamble(cursor)
    metadata = _metadata(cursor, n_entries)
    alignment = _alignment(metadata)
    tensors: dict[str, TensorInfo] = {}
    for _ in range(n_tensors):
        tensor = _tensor(cursor)
        if tensor.name in tensors:
            raise FormatError(f"tensor {tensor.name!r:.90} occurs twice")
        tensors[tensor.name] = tensor
    header_bytes = _aligned(cursor.pos, alignment)
    ends = (_aligned(t.offset + tensor_bytes(t.type_id, t.shape), alignment) for t in tensors.values())
    return GgufHeader(
        metadata=metadata,
        tensors=tuple(tensors.values()),
        alignment=alignment,
        header_bytes=header_bytes,
        file_bytes=header_bytes + max(ends, default=0),
        big_endian=cursor.order == ">",
    )


def _preamble(cursor: _Cursor) -> tuple[int, int]:
    """The numbers of tensors and of metadata entries; sets the byte order."""
    magic = bytes(cursor.data[:4])
    if magic != b"GGUF"[: len(magic)]:
        raise FormatError(_not_gguf(bytes(cursor.data[:64])))
    cursor.require(PREAMBLE)
    # A version is a small number: read in the wrong byte order, it is none that exists.
    version = int.from_bytes(cursor.data[4:8], "little")
    if version & 0xFFFF == 0:
        cursor.order, version = ">", int.from_bytes(cursor.data[4:8], "big")
    if version not in (2, 3):
        raise FormatError(f"GGUF version {version} is not supported; versions 2 and 3 are")
    cursor.pos = 8
    n_tensors, n_entries = cursor.read("QQ")
    if n_tensors > MAX_ENTRIES or n_entries > MAX_ENTRIES:
        raise FormatError(
            f"{n_tensors} tensors and {n_entries} metadata entries; {MAX_ENTRIES} of each is the limit"
        )
    cursor.require(n_entries * LEAST_ENTRY + n_tensors * LEAST_TENSOR)
    return n_tensors, n_entries


def _not_gguf(head: bytes) -> str:
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "not a GGUF file but an HTML page, as a login or an error page is"
    if start.startswith(b"version https://git-lfs"):
        return "not a GGUF file but a Git LFS pointer to one: the file itself was not downloaded"
    return f"not a GGUF file: it starts with {head[:8]!r}"


def _metadata(cursor: _Cursor, n_entries: int) -> dict[str, MetaValue]:
    metadata: dict[str, MetaValue] = {}
    for _ in range(n_entries):
        key = cursor.where = cursor.text(MAX_NAME)
        if key in metadata:
            raise FormatError(f"metadata key {key!r:.90} occurs twice")
        (kind,) = cursor.read("I")
        metadata[key] = _value(cursor, kind)
    return metadata


def _value(cursor: _Cursor, kind: int, nesting: int = 0) -> MetaValue:
    if kind == STRING:
        return cursor.text()
    if kind == ARRAY:
        return _array(cursor, nesting)
    if kind not in SCALARS:
        raise FormatError(f"{cursor.where!r:.90} has a value of the unknown type {kind}")
    value: int | float | bool = cursor.read(SCALARS[kind])[0]
    return value


def _array(cursor: _Cursor, nesting: int) -> MetaValue:
    item_type, length = cursor.read("IQ")
    if item_type not in LEAST_BYTES:
        raise FormatError(f"{cursor.where!r:.90} has items of the unknown type {item_type}")
    cursor.require(length * LEAST_BYTES[item_type])
    if item_type == ARRAY:
        if nesting == MAX_NESTING or length > MAX_BUILT:
            raise FormatError(f"{cursor.where!r:.90} nests arrays too deep, or too many of them")
    elif length > MAX_BUILT or cursor.where.startswith("tokenizer."):
        return cursor.pass_over(item_type, length)
    cursor.build(length)
    if item_type not in (ARRAY, STRING):
        return cursor.read(f"{length}{SCALARS[item_type]}")
    return tuple(_value(cursor, item_type, nesting + 1) for _ in range(length))


def _alignment(metadata: dict[str, MetaValue]) -> int:
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment < 2**32 or alignment.bit_count() != 1:
        raise FormatError(f"general.alignment is {alignment!r:.90}, not a power of two")
    return alignment


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _tensor(cursor: _Cursor) -> TensorInfo:
    name = cursor.where = cursor.text(MAX_NAME)
    if not name.isprintable():
        raise FormatError(f"tensor {name!r:.90} has characters in its name that cannot be printed")
    (n_dims,) = cursor.read("I")
    if n_dims > MAX_DIMS:
        raise FormatError(f"tensor {name!r:.90} has {n_dims} dimensions; ggml has at most {MAX_DIMS}")
    *shape, type_id, offset = cursor.read(f"{n_dims}QIQ")
    tensor = TensorInfo(name, tuple(shape), type_id, offset)
    if problem := _problem(tensor):
        raise FormatError(f"tensor {name!r:.90} {problem}")
    return tensor


def _problem(tensor: TensorInfo) -> str | None:
    """What ggml would not accept of a tensor."""
    kind = TYPES.get(tensor.type_id)
    if kind is None:
        return f"is of the unknown ggml type {tensor.type_id}"
    if max(tensor.shape, default=0) >= INT64_END or prod(tensor.shape) >= INT64_END:
        return f"of shape {tensor.shape} has more elements than 64 bits can count"
    row = tensor.shape[0] if tensor.shape else 1
    if row % kind.block:
        return f"has rows of {row} elements, which are not whole blocks of {kind.name} ({kind.block})"
    if tensor.offset + tensor_bytes(tensor.type_id, tensor.shape) >= INT64_END:
        return "ends further into the file than 64 bits can count"
    return None
