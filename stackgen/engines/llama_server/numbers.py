"""The kinds of values that count something: numbers, sizes, layers, shares, seconds."""

from collections.abc import Callable
from typing import Any, Final

from stackgen.domain.units import MIB, parse_duration, parse_size
from stackgen.engines.llama_server.values import Kind, Value, comma_joined, is_int, must_be

_LARGEST: Final = 1e30
"""Beyond this a float of the engine is infinite."""


def integer(low: int | None, high: int | None, *, nonzero: bool = False) -> Kind:
    """A whole number within bounds."""
    wanted = _bounded("a whole number", low, high) + (", not 0" if nonzero else "")

    def read(value: Any) -> int:
        if not is_int(value) or not _within(value, low, high) or (nonzero and value == 0):
            raise must_be(wanted, value)
        return int(value)

    def parse(word: str) -> int:
        try:
            return read(int(word))
        except ValueError:
            raise must_be(wanted, word) from None

    limits = {key: value for key, value in (("minimum", low), ("maximum", high)) if value is not None}
    schema = {"type": "integer", **limits} | ({"not": {"const": 0}} if nonzero else {})
    return Kind(read=read, parse=parse, spell=str, schema=schema)


def number(low: float | None, high: float | None, *, nonzero: bool = False) -> Kind:
    """A number within bounds."""
    wanted = _bounded("a number", low, high) + (", not 0" if nonzero else "")

    def read(value: Any) -> int | float:
        is_number = is_int(value) or isinstance(value, float)
        good = is_number and abs(value) < _LARGEST and _within(value, low, high)
        if not good or (nonzero and value == 0):
            raise must_be(wanted, value)
        return value  # type: ignore[no-any-return]

    def parse(word: str) -> int | float:
        try:
            return read(float(word))
        except ValueError:
            raise must_be(wanted, word) from None

    schema = {"type": "number"} | ({} if low is None else {"minimum": low})
    return Kind(read=read, parse=parse, spell=lambda value: f"{value:.10g}", schema=schema)


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _bounded(noun: str, low: float | None, high: float | None) -> str:
    if low is None:
        return noun
    return f"{noun} of at least {low:g}" if high is None else f"{noun} from {low:g} to {high:g}"


_SIZE: Final = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([kKMGT]i?)?B\s*$"}


def mebibytes() -> Kind:
    """A size; 0 switches off, -1 means no limit."""

    def read(value: Any) -> int:
        if is_int(value) and value in (0, -1):
            return int(value)
        if is_int(value) and value > 0:
            raise ValueError(f"needs a unit; write {value}MiB")
        return _mebibytes(value, "a size such as 8GiB, 0 to switch it off, or -1 for no limit")

    schema = {"anyOf": [_SIZE, {"enum": [0, -1]}]}
    return Kind(read=read, parse=integer(-1, None).parse, spell=str, schema=schema)


def mebibytes_per_gpu() -> Kind:
    """Sizes, one for all GPUs or one for each."""

    def read(value: Any) -> Value:
        wanted = "a size such as 1GiB, or a list of them, one per GPU"
        return tuple(_mebibytes(v, wanted) for v in (value if isinstance(value, list) else [value]))

    schema = {"anyOf": [_SIZE, {"type": "array", "items": _SIZE}]}
    return Kind(read=read, parse=lambda text: _numbers(text, int), spell=comma_joined, schema=schema)


def _mebibytes(value: Any, wanted: str) -> int:
    try:
        size = parse_size(value)
    except (TypeError, ValueError):
        raise must_be(wanted, value) from None
    if size % MIB:
        raise ValueError(f"must be a whole number of mebibytes, got {value!r}: llama-server counts in MiB")
    return size // MIB


def layers() -> Kind:
    """How many layers go to the GPUs."""

    def read(value: Any) -> Value:
        if value in ("auto", "all"):
            return str(value)
        if is_int(value) and value >= 0:
            return int(value)
        raise must_be("`all`, `auto`, or how many layers go to the GPUs", value)

    def parse(word: str) -> Value:
        try:
            count = int(word)
        except ValueError:
            return read(word)
        # The engine's own encoding of the words.
        return count if count >= 0 else "auto" if count == -1 else "all"

    schema = {"anyOf": [{"enum": ["all", "auto"]}, {"type": "integer", "minimum": 0}]}
    return Kind(read=read, parse=parse, spell=str, schema=schema)


def shares() -> Kind:
    """Proportions, one per GPU."""

    def read(value: Any) -> Value:
        numbers = value if isinstance(value, list) else []
        good = all((is_int(v) or isinstance(v, float)) and 0 <= v < _LARGEST for v in numbers)
        if not good or not sum(numbers):
            raise must_be("a list of numbers, one per GPU, such as [3, 1]", value)
        return tuple(numbers)

    schema = {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 1}
    return Kind(read=read, parse=lambda text: _numbers(text, float), spell=comma_joined, schema=schema)


def _numbers(text: str, convert: Callable[[str], int | float]) -> Value:
    try:
        return tuple(convert(part) for part in text.replace("/", ",").split(",") if part)
    except ValueError:
        raise must_be("numbers divided by commas", text) from None


def seconds(*, nonzero: bool = False) -> Kind:
    """A time; the engine counts in seconds, and -1 means never."""
    wanted = f"a duration such as 30m, a number of seconds{' (not 0)' if nonzero else ''}, or -1 for never"

    def check(count: int, value: object) -> int:
        if count < -1 or (nonzero and count == 0):
            raise must_be(wanted, value)
        return count

    def read(value: Any) -> int:
        if is_int(value):
            return check(value, value)
        try:
            return check(parse_duration(value), value)
        except (TypeError, ValueError):
            raise must_be(wanted, value) from None

    def parse(word: str) -> int:
        try:
            return check(int(word), word)
        except ValueError:
            raise must_be(wanted, word) from None

    duration = {"type": "string", "pattern": r"^\s*\d+\s*[smhd]\s*$"}
    schema = {"anyOf": [{"type": "integer", "minimum": -1}, duration]}
    return Kind(read=read, parse=parse, spell=str, schema=schema)
