"""What a machine was found to have."""

from typing import NamedTuple


class DetectedGpu(NamedTuple):
    """A card as its driver names it; sizes in bytes. `used` is what is taken of it at the moment."""

    name: str
    vendor: str
    total: int
    used: int = 0


class Machine(NamedTuple):
    """Cards in PCI bus order, and main memory in bytes; None = it could not be told."""

    name: str
    gpus: tuple[DetectedGpu, ...] = ()
    ram: int | None = None
    nixos: bool = False
