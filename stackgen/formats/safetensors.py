"""The header of a safetensors file: bytes in, tensors out.

Eight bytes of length, then JSON: https://github.com/huggingface/safetensors#format. As strict as the format:
tensors follow each other without holes, and end where the file does.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Final

from stackgen.domain.lock import TensorGroup
from stackgen.domain.units import MIB, show_size
from stackgen.formats.errors import FormatError, Truncated

MAX_HEADER: Final = 16 * MIB
"""Files of 50 GB hold some ten thousand tensors, each with a line of 100 to 150 bytes."""
MAX_TENSORS: Final = 65_536
MAX_ENTRY: Final = 4096
"""Bytes of the description of one tensor."""
MAX_DIMS: Final = 16
BITS: Final = (
    dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8)
    | dict.fromkeys(("I16", "U16", "F16", "BF16"), 16)
    | dict.fromkeys(("I32", "U32", "F32"), 32)
    | dict.fromkeys(("I64", "U64", "F64", "C64"), 64)
    | {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
)
"""Bits of one element; github.com/huggingface/safetensors, safetensors/src/tensor.rs, `Dtype::bitsize`."""
_STRING: Final = rb'"(?:[^"\\]|\\.)*+"'
_SPACE: Final = rb"[ \t\r\n]*+"
_EMPTY = re.compile(rb"%b\{%b(?P<last>\})%b" % ((_SPACE,) * 3))
_START = re.compile(rb"%b\{" % _SPACE)
_ENTRY = re.compile(
    rb'%b(?P<name>%b)%b:%b(?P<entry>\{(?:[^{}"]|%b)*+\})%b(?:,|(?P<last>\}))'
    % (_SPACE, _STRING, _SPACE, _SPACE, _STRING, _SPACE),
    re.DOTALL,
)
_REST = re.compile(_SPACE)
_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: its type, its shape (the last number is the row length) and its bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int


def parse_header(data: bytes | memoryview, *, file_size: int | None = None) -> tuple[Tensor, ...]:
    """The tensors of a file, from as much of its beginning as there is; in the order of their bytes.

    Raises Truncated when more of the file is needed, FormatError when no more bytes can help.
    """
    if len(data) < 8:
        raise Truncated(8)
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER:
        raise FormatError(_not_safetensors(bytes(data[:64]), length))
    if file_size is not None and 8 + length > file_size:
        raise FormatError(f"the header claims {show_size(length)}, but the file has {show_size(file_size)}")
    if len(data) < 8 + length:
        raise Truncated(8 + length)
    placed = [_tensor(name, entry) for name, entry in _entries(data[: 8 + length])]
    return _in_order(placed, None if file_size is None else file_size - 8 - length)


def _entries(data: bytes | memoryview) -> Iterator[tuple[str, Any]]:
    """Name and description of each tensor, one by one: parsed as a whole, some headers take 20 times their bytes."""
    seen: set[str] = set()
    match = _EMPTY.fullmatch(data, 8) or _START.match(data, 8)
    while match and match.lastgroup != "last":
        match = _ENTRY.match(data, match.end())
        if match is None:
            break
        name = _json(match["name"])
        if name in seen:
            raise FormatError(f"the name {name!r:.90} occurs twice")
        seen.add(name)
        if name != "__metadata__":
            if len(match["entry"]) > MAX_ENTRY or len(seen) > MAX_TENSORS:
                raise FormatError(f"at tensor {name!r:.90}, the header is longer than those of models are")
            yield name, _json(match["entry"])
    if match is None or not _REST.fullmatch(data, match.end()):
        raise FormatError("the header is not a JSON object of tensors")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode(), object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as exc:
        raise FormatError(f"the header is not JSON: {str(exc)[:90]}") from exc


def groups(tensors: tuple[Tensor, ...]) -> tuple[TensorGroup, ...]:
    """Tensors of the same name and type in all layers and experts as one line each, by name."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for tensor in tensors:
        key = (_NUMBER.sub("*", tensor.name), tensor.dtype)
        count, size = found.get(key, (0, 0))
        found[key] = (count + 1, size + tensor.size)
    return tuple(
        TensorGroup(name=name, type=dtype, count=count, size=size)
        for (name, dtype), (count, size) in sorted(found.items())
    )


def _not_safetensors(head: bytes, length: int) -> str:
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "not a safetensors file but an HTML page, as a login or an error page is"
    if start.startswith(b"version https://git-lfs"):
        return "not a safetensors file but a Git LFS pointer to one: the file itself was not downloaded"
    return f"the header claims {show_size(length)}; more than {show_size(MAX_HEADER)} is taken for damage"


def _tensor(name: str, entry: Any) -> tuple[int, Tensor]:
    """Where a tensor starts, and what it is."""
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [start, end], **rest} if not rest:
            pass
        case _:
            raise FormatError(f"tensor {name!r:.90} has not just `dtype`, `shape` and `data_offsets`")
    if dtype not in BITS:
        raise FormatError(f"tensor {name!r:.90} is of the unknown type {dtype!r:.30}")
    if len(shape) > MAX_DIMS or not all(type(n) is int and 0 <= n < 2**63 for n in (*shape, start, end)):
        raise FormatError(f"tensor {name!r:.90} has an impossible shape or place")
    bits = prod(shape) * BITS[dtype]
    if bits % 8 or end - start != bits // 8:
        raise FormatError(f"tensor {name!r:.90} takes {end - start} bytes, and its shape another number")
    return start, Tensor(name, dtype, tuple(shape), end - start)


def _in_order(placed: list[tuple[int, Tensor]], total: int | None) -> tuple[Tensor, ...]:
    placed.sort(key=lambda item: (item[0], item[1].size))
    end = 0
    for start, tensor in placed:
        if start != end:
            raise FormatError(f"tensor {tensor.name!r:.90} does not start where the one before it ends")
        end = start + tensor.size
    if total is not None and end != total:
        raise FormatError(f"the tensors take {show_size(end)}, the file has {show_size(total)} for them")
    return tuple(tensor for _, tensor in placed)
