"""Which layer goes to which GPU: filled one after the other, each as far as it may (model/model_ls.py)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from stackgen.domain.exllama import ExllamaParams
from stackgen.domain.units import MIB

DEFAULT_RESERVE: Final = 512 * MIB
"""Of GPUs that `autosplit_reserve` does not list (Model.load_gen)."""


class Piece(NamedTuple):
    """What is loaded as one: a layer with its caches, or the head; bytes."""

    weights: int
    kv: int = 0
    recurrent: int = 0

    @property
    def size(self) -> int:
        """All of it."""
        return self.weights + self.kv + self.recurrent


def budgets(params: ExllamaParams, free: Sequence[int], process: int) -> tuple[int, ...]:
    """What PyTorch may allocate on each GPU, in bytes; `free` is what is free before, `process` what CUDA takes."""
    if params.gpu_split:
        given = (*params.gpu_split, *[0] * len(free))[: len(free)]
        return tuple(min(size, gpu) for size, gpu in zip(given, free, strict=True))
    reserves = (*params.autosplit_reserve, *[DEFAULT_RESERVE] * len(free))[: len(free)]
    return tuple(max(0, gpu - process - reserve) for gpu, reserve in zip(free, reserves, strict=True))


def place(pieces: Sequence[Piece], caps: Sequence[int], taken: Sequence[int], overhead: int) -> list[int]:
    """The GPU of each piece. Each GPU must also hold `overhead` bytes for a moment; `taken` is there before.

    What fits nowhere goes to the last GPU that may be used, where a ledger then shows it.
    """
    usable = [i for i, cap in enumerate(caps) if cap > 0] or [0]
    homes, at, used = [], 0, list(taken)
    for piece in pieces:
        while at < len(usable) - 1 and used[usable[at]] + piece.size + overhead > caps[usable[at]]:
            at += 1
        home = usable[at]
        used[home] += piece.size
        homes.append(home)
    return homes


def shares(caps: Sequence[int]) -> tuple[float, ...]:
    """The part of every layer that each GPU gets under tensor parallelism (model/model_tp_alloc.py)."""
    whole = sum(caps)
    return tuple(cap / whole if whole else 1 / len(caps) for cap in caps)
