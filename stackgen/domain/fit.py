"""What fits: ways to serve one model on given GPUs."""

from typing import NamedTuple

from stackgen.domain.footprint import Basis


class Fit(NamedTuple):
    """One quantization with the cache type and the longest context that fit; sizes in bytes.

    `settings` is what to write under the model of a service, in its order. `left` is what is free on each GPU of the
    service, in their order.
    """

    quantization: str | None
    weights: int
    basis: Basis
    cache_type: str
    context: int
    experts_on_host: int
    settings: tuple[str, ...]
    left: tuple[int, ...]
    ram: int


class Fits(NamedTuple):
    """The answer for one model of a service, the best first; `context` is what is wanted at least."""

    service: str
    use: str
    model: str
    host: str
    gpus: tuple[str, ...]
    context: int
    trained: int
    rows: tuple[Fit, ...]
    smallest: int | None = None
    """When nothing fits: bytes of the smallest weights that were tried."""
    others: tuple[str, ...] = ()
    """What else counts on these GPUs."""
