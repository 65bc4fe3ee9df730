"""Writes GGUF headers for tests; shares nothing with the parser but the type geometry."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackgen.domain.ggml import tensor_bytes
from stackgen.domain.header import TensorInfo

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_CODES = {
    U8: "B",
    I8: "b",
    U16: "H",
    I16: "h",
    U32: "I",
    I32: "i",
    F32: "f",
    BOOL: "?",
    U64: "Q",
    I64: "q",
    F64: "d",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A value with the type that it is to be stored as; of an array, the type of its items. Bytes are one of U8."""

    kind: int
    value: Any


def build_gguf(
    metadata: Mapping[str, Any] | Iterable[tuple[str, Any]],
    tensors: Sequence[TensorInfo] = (),
    *,
    version: int = 3,
    order: str = "<",
    alignment: int = 32,
) -> bytes:
    """A header up to where tensor data starts. Metadata as pairs may hold a key twice."""
    entries = list(metadata.items() if isinstance(metadata, Mapping) else metadata)
    parts = [b"GGUF", struct.pack(f"{order}IQQ", version, len(tensors), len(entries))]
    for key, value in entries:
        kind, body = _encode(value, order)
        parts += [_string(key, order), struct.pack(f"{order}I", kind), body]
    for tensor in tensors:
        dims = struct.pack(f"{order}I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        parts += [_string(tensor.name, order), dims, struct.pack(f"{order}IQ", tensor.type_id, tensor.offset)]
    header = b"".join(parts)
    return header + bytes(-len(header) % alignment)


def one_after_another(tensors: Iterable[TensorInfo], alignment: int = 32) -> tuple[TensorInfo, ...]:
    """The tensors with the offsets that a writer gives them."""
    placed, offset = [], 0
    for tensor in tensors:
        placed.append(tensor._replace(offset=offset))
        size = tensor_bytes(tensor.type_id, tensor.shape)
        offset += size + -size % alignment
    return tuple(placed)


def _string(text: str, order: str) -> bytes:
    raw = text.encode()
    return struct.pack(f"{order}Q", len(raw)) + raw


def _encode(value: Any, order: str) -> tuple[int, bytes]:
    if isinstance(value, Typed) and isinstance(value.value, bytes):
        return ARRAY, struct.pack(f"{order}IQ", U8, len(value.value)) + value.value
    if isinstance(value, Typed) and not isinstance(value.value, list | tuple):
        return value.kind, _scalar(value.kind, value.value, order)
    if isinstance(value, Typed):
        return ARRAY, _array(value.kind, [_scalar(value.kind, item, order) for item in value.value], order)
    if isinstance(value, list | tuple):
        items = [_encode(item, order) for item in value]
        return ARRAY, _array(items[0][0] if items else U32, [body for _, body in items], order)
    kind = _guess(value)
    return kind, _scalar(kind, value, order)


def _array(kind: int, items: Sequence[bytes], order: str) -> bytes:
    return struct.pack(f"{order}IQ", kind, len(items)) + b"".join(items)


def _scalar(kind: int, value: Any, order: str) -> bytes:
    return _string(value, order) if kind == STRING else struct.pack(order + _CODES[kind], value)


def _guess(value: Any) -> int:
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return I32 if value < 0 else U32
    return STRING if isinstance(value, str) else F32
