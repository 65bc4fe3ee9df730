"""Sizes, durations and CPUs as written in stack.yaml; the only place that knows 1024 from 1000."""

import re
from math import ceil
from typing import Final

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3

# Decimal and binary units are both accepted, because disks are sold in one and memory in the other.
SIZE_UNITS: Final = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": KIB,
    "MiB": MIB,
    "GiB": GIB,
    "TiB": 1024**4,
}
DURATION_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_SIZE = re.compile(r"\s*(\d{1,12})(?:\.(\d{1,9}))?\s*([A-Za-z]*)\s*", re.ASCII)
_CPUS = re.compile(r"(\d{1,8})m|(\d{1,5})(?:\.(\d{1,3})0*)?", re.ASCII)
_DURATION = re.compile(r"\s*(\d{1,9})\s*([a-z]*)\s*", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes of a size such as `24GiB` or `1.5 GB`, rounded down.

    Raises ValueError with what is allowed.
    """
    match = _SIZE.fullmatch(text)
    if match is None or match[3] not in SIZE_UNITS:
        hint = _near_unit(match[3]) if match else ""
        raise ValueError(
            f"{text!r} is not a size; write a number and a unit, such as 24GiB, 500MiB or 400GB{hint}"
        )
    unit = SIZE_UNITS[match[3]]
    fraction = match[2] or ""
    return int(int(match[1] + fraction) * unit // 10 ** len(fraction))


def parse_rate(text: str) -> int:
    """Bytes per second of a rate such as `100Mbit/s` or `12 MB/s`. Raises ValueError with what is allowed."""
    match = re.fullmatch(r"(.*?)(bit|B)/s\s*", text)
    try:
        return parse_size(f"{match[1]}B" if match else "") // (8 if match and match[2] == "bit" else 1)
    except ValueError:
        form = "write a number and a unit, such as 100Mbit/s or 12MB/s"
        raise ValueError(f"{text!r} is not a rate; {form}") from None


def parse_cpus(text: str) -> int:
    """Thousandths of a CPU, from `4`, `0.5` or `500m` as in Kubernetes. Raises ValueError with what is allowed."""
    match = _CPUS.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a number of CPUs; write one such as 4, 0.5 or 500m (thousandths)")
    thousandths = int(match[1] or match[2] + (match[3] or "").ljust(3, "0"))
    if not thousandths:
        raise ValueError("must be more than 0 CPUs")
    return thousandths


def _near_unit(unit: str) -> str:
    if not unit:
        return " (the unit is missing)"
    full = {"k": "KiB", "m": "MiB", "g": "GiB", "t": "TiB"}.get(unit[0].lower())
    return f" (did you mean {full}?)" if full else ""


def parse_duration(text: str) -> int:
    """Seconds of a duration such as `30m`. Raises ValueError with what is allowed."""
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in DURATION_UNITS:
        raise ValueError(f"{text!r} is not a duration; write a number and s, m, h or d, such as 30m")
    return int(match[1]) * DURATION_UNITS[match[2]]


def show_duration(seconds: float) -> str:
    """A duration for people, rounded up: `40 s`, `25 min`, `3 h 5 min`."""
    minutes = ceil(seconds / 60)
    if seconds <= 60:
        return f"{ceil(seconds)} s"
    hours, minutes = divmod(minutes, 60)
    return " ".join(
        part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part
    )


def show_cpus(thousandths: int) -> str:
    """A number of CPUs for people and command lines: `4`, `0.5`, with its sign."""
    whole, part = divmod(abs(thousandths), 1000)
    return f"{'-' if thousandths < 0 else ''}{whole}" + (f".{part:03}".rstrip("0") if part else "")


def show_size(size: int) -> str:
    """A size for people: `23.6 GiB`, `512 MiB`, `17 KiB`, with its sign."""
    sign, size = ("-", -size) if size < 0 else ("", size)
    if size >= GIB:
        return f"{sign}{size / GIB:.1f} GiB"
    if size >= MIB:
        return f"{sign}{size / MIB:.0f} MiB"
    if size >= KIB:
        return f"{sign}{size / KIB:.0f} KiB"
    return f"{sign}{size} B"
