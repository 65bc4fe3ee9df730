"""Writes the header of a GGUF file, version 3, such as a catalog's: for an engine that wants to read one."""

import struct
from collections.abc import Sequence

from stackgen.domain.ggml import tensor_bytes
from stackgen.domain.header import GgufHeader, MetaValue, SkippedArray, TensorInfo
from stackgen.formats.errors import FormatError

_U32, _I32, _F32, _BOOL, _STRING, _ARRAY, _U64 = 4, 5, 6, 7, 8, 9, 10
_CODES = {_U32: "<I", _I32: "<i", _F32: "<f", _BOOL: "<?", _U64: "<Q"}
_VERSION = 3


def write_header(header: GgufHeader) -> bytes:
    """The bytes up to where tensor data starts; offsets are laid out anew, one tensor after another.

    Numbers get the types that llama.cpp reads: u32, i32 where one is negative, f32. Raises FormatError for
    arrays that were passed over when the header was read.
    """
    parts = [b"GGUF", struct.pack("<IQQ", _VERSION, len(header.tensors), len(header.metadata))]
    for key, value in header.metadata.items():
        kind, body = _encode(key, value)
        parts += [_text(key), struct.pack("<I", kind), body]
    offset = 0
    for tensor in header.tensors:
        parts.append(_tensor(tensor, offset))
        size = tensor_bytes(tensor.type_id, tensor.shape)
        offset += size + -size % header.alignment
    raw = b"".join(parts)
    return raw + bytes(-len(raw) % header.alignment)


def _tensor(tensor: TensorInfo, offset: int) -> bytes:
    n_dims = len(tensor.shape)
    return _text(tensor.name) + struct.pack(f"<I{n_dims}QIQ", n_dims, *tensor.shape, tensor.type_id, offset)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _encode(key: str, value: MetaValue) -> tuple[int, bytes]:
    if isinstance(value, SkippedArray):
        raise FormatError(f"{key!r:.90} was not read, so it cannot be written")
    if isinstance(value, tuple):
        kind = _kind(value)
        items = b"".join(_scalar(kind, item) for item in value)
        return _ARRAY, struct.pack("<IQ", kind, len(value)) + items
    kind = _kind((value,))
    return kind, _scalar(kind, value)


def _kind(values: Sequence[MetaValue]) -> int:
    """The narrowest type that llama.cpp takes for all of these."""
    if all(isinstance(v, bool) for v in values):
        return _BOOL if values else _U32
    if all(isinstance(v, str) for v in values):
        return _STRING
    numbers = [v for v in values if isinstance(v, int | float)]
    if len(numbers) < len(values):
        raise FormatError("an array of arrays, or of values of several kinds, cannot be written")
    if any(isinstance(v, float) for v in numbers):
        return _F32
    if min(numbers) < 0:
        return _I32
    return _U32 if max(numbers) < 2**32 else _U64


def _scalar(kind: int, value: MetaValue) -> bytes:
    return _text(str(value)) if kind == _STRING else struct.pack(_CODES[kind], value)
