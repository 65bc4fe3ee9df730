"""What the header of a weights file says, independent of how it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class SkippedArray:
    """A metadata array that was passed over (a token list, say): its item type and its length."""

    item_type: int
    length: int


MetaValue = int | float | bool | str | tuple["MetaValue", ...] | SkippedArray


class TensorInfo(NamedTuple):
    """One tensor: `shape` in ggml order (shape[0] is the row length), `type_id` a ggml type."""

    name: str
    shape: tuple[int, ...]
    type_id: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Metadata and tensor infos of one GGUF file, or of all the files of a split one."""

    metadata: Mapping[str, MetaValue]
    tensors: tuple[TensorInfo, ...]
    alignment: int = 32
    header_bytes: int = 0
    """Bytes from the start of the file to the tensor data."""
    file_bytes: int = 0
    """Bytes of the whole file (all files of a split one), as the tensor infos imply."""
    big_endian: bool = False

    @property
    def architecture(self) -> str:
        """`general.architecture`, or an empty string."""
        value = self.metadata.get("general.architecture", "")
        return value if isinstance(value, str) else ""
