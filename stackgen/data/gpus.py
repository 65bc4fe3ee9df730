"""The table of graphics cards: by their names here, and by those that drivers print."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from stackgen.data import load_toml
from stackgen.domain.gpu import GpuModel
from stackgen.domain.units import MIB

# Words that tools put around a card's name.
_NOISE: Final = {
    *("nvidia", "geforce", "tesla", "amd", "ati", "radeon", "instinct", "intel", "corporation", "r", "tm"),
    *("graphics", "gpu", "generation", "edition", "workstation"),
}
_SERIES: Final = ("rtx", "gtx", "rx", "arc")
_Row = tuple[list[int], Mapping[str, Any]]


def gpu(name: str) -> GpuModel | None:
    """The card named `rtx-3090`, `3090` or `NVIDIA GeForce RTX 3090`, say; None when there is no such row."""
    known = name if name in _rows() else _names().get(_key(name))
    return None if known is None else _model(known)


def detected(name: str, total: int) -> GpuModel | None:
    """The card of a driver's name that has about so many bytes: tells apart variants that share a name."""
    key = _key(name)
    stem = re.sub(r"-\d+gb$", "", _names().get(key, key))
    variants = [_model(n) for n in _rows() if re.fullmatch(rf"{re.escape(stem)}(-\d+gb)?", n)]
    near = [m for m in variants if abs(m.board - total) * 20 <= m.board]
    return min(near, key=lambda m: abs(m.board - total), default=None)


def names() -> tuple[str, ...]:
    """The names of all cards."""
    return tuple(_rows())


@cache
def _rows() -> Mapping[str, _Row]:
    """A card's figures with its series, by name."""
    return {
        name: (row, series) for series in load_toml("gpus")["series"] for name, row in series["cards"].items()
    }


def _model(name: str) -> GpuModel:
    (board, bandwidth), series = _rows()[name]
    measured, capability = load_toml("gpus")["measured"].get(name), series.get("compute_capability")
    return GpuModel(
        name=name,
        vendor=series["vendor"],
        architecture=series["architecture"],
        board=board * MIB,
        capacity=(measured[0] if measured else _estimate(board, series["vendor"])) * MIB,
        measured=measured is not None,
        bandwidth_gb_s=bandwidth,
        compute_capability=(capability[0], capability[1]) if capability else None,
        source=f"{series['source']}; {measured[1]}" if measured else series["source"],
        driver=series.get("driver"),
    )


def _estimate(board: int, vendor: str) -> int:
    """MiB that the driver probably offers, on the safe side."""
    keep = load_toml("gpus")["estimate"][vendor]
    return board - int(max(keep["mib"], board * keep["permille"] // 1000))


@cache
def _names() -> Mapping[str, str]:
    """Names under what `_key` makes of them and of their aliases, also without the series."""
    aliases: dict[str, str] = load_toml("gpus")["aliases"]
    full = {_key(name): name for name in _rows()} | aliases
    short = {
        rest: name
        for series in reversed(_SERIES)
        for key, name in full.items()
        if (rest := key.removeprefix(f"{series}-")) != key
    }
    return short | full


def _key(name: str) -> str:
    """A name's words in lower case, joined by hyphens, without those that every card of a vendor has."""
    text = re.sub(r"\b(rtx|gtx|rx)(\d)", r"\1-\2", name.lower())
    text = re.sub(r"\b(\d{4})(ti|super|xtx?|gre|d)\b", r"\1-\2", text)
    return "-".join(word for word in re.findall(r"[a-z0-9]+", text) if word not in _NOISE)
