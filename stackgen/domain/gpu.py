"""A kind of graphics card, as the built-in table knows it."""

from typing import NamedTuple


class GpuModel(NamedTuple):
    """Sizes in bytes: `capacity` is what the driver offers to programs, `board` what its tools call total."""

    name: str
    vendor: str
    architecture: str
    board: int
    capacity: int
    measured: bool
    """False: the capacity is an estimate, on the safe side."""
    bandwidth_gb_s: int
    compute_capability: tuple[int, int] | None
    """NVIDIA's, such as (8, 6); None for others."""
    source: str
    driver: str | None = None
    """The kernel's, where a vendor has several."""
