"""Storage types of ggml: how many bytes a row of a weight, or of a cache, takes."""

from math import prod
from typing import Final, NamedTuple


class GgmlType(NamedTuple):
    """`block` elements are stored in `size` bytes."""

    name: str
    block: int
    size: int


# id in a GGUF file -> type; from the ggml type traits of build 11434 (a test asks build 10434's library).
# Ids between these belonged to types that ggml removed.
TYPES: Final = {
    0: GgmlType("f32", 1, 4),
    1: GgmlType("f16", 1, 2),
    2: GgmlType("q4_0", 32, 18),
    3: GgmlType("q4_1", 32, 20),
    6: GgmlType("q5_0", 32, 22),
    7: GgmlType("q5_1", 32, 24),
    8: GgmlType("q8_0", 32, 34),
    9: GgmlType("q8_1", 32, 36),
    10: GgmlType("q2_K", 256, 84),
    11: GgmlType("q3_K", 256, 110),
    12: GgmlType("q4_K", 256, 144),
    13: GgmlType("q5_K", 256, 176),
    14: GgmlType("q6_K", 256, 210),
    15: GgmlType("q8_K", 256, 292),
    16: GgmlType("iq2_xxs", 256, 66),
    17: GgmlType("iq2_xs", 256, 74),
    18: GgmlType("iq3_xxs", 256, 98),
    19: GgmlType("iq1_s", 256, 50),
    20: GgmlType("iq4_nl", 32, 18),
    21: GgmlType("iq3_s", 256, 110),
    22: GgmlType("iq2_s", 256, 82),
    23: GgmlType("iq4_xs", 256, 136),
    24: GgmlType("i8", 1, 1),
    25: GgmlType("i16", 1, 2),
    26: GgmlType("i32", 1, 4),
    27: GgmlType("i64", 1, 8),
    28: GgmlType("f64", 1, 8),
    29: GgmlType("iq1_m", 256, 56),
    30: GgmlType("bf16", 1, 2),
    34: GgmlType("tq1_0", 256, 54),
    35: GgmlType("tq2_0", 256, 66),
    39: GgmlType("mxfp4", 32, 17),
    40: GgmlType("nvfp4", 64, 36),
    41: GgmlType("q1_0", 128, 18),
    42: GgmlType("q2_0", 64, 18),
}
BY_NAME: Final = {t.name: t for t in TYPES.values()}


def row_bytes(type_name: str, n: int) -> int:
    """Bytes of a row of n elements (`ggml_row_size`)."""
    _, block, size = BY_NAME[type_name]
    return n * size // block


def is_quantized(type_name: str) -> bool:
    """Whether a type stores blocks with a scale (`ggml_is_quantized`)."""
    return BY_NAME[type_name].block > 1


def tensor_bytes(type_id: int, shape: tuple[int, ...]) -> int:
    """Bytes of a contiguous tensor (`ggml_nbytes`); shape[0], the row, must be whole blocks."""
    _, block, size = TYPES[type_id]
    return prod(shape) // block * size
