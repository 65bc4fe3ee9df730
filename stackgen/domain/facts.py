"""Engine-neutral facts of a model: what a planner must know, derived from a header or a catalog.

Layers hold neither their number nor full tensor names, so equal layers are equal values: a lock can fold
them into runs, and the compute model looks at each kind of layer once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from stackgen.domain.failure import Failure
from stackgen.domain.footprint import Basis

Scalar = int | float | str | bool
Hyperparameter = Scalar | tuple[Scalar, ...]
Format = Literal["gguf", "exl3", "exl2", "gptq", "safetensors"]
"""How weights are stored: quantized for one family of engines, or as they were trained."""


class Weight(NamedTuple):
    """One tensor: `name` without `blk.N.`, `shape` in ggml order (shape[0] = row length), bytes as stored."""

    name: str
    shape: tuple[int, ...]
    type: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """What one layer reads and writes in the key/value cache."""

    heads: int
    heads_kv: int
    key_length: int
    """Elements of one head's key; under MLA, of the whole compressed row."""
    value_length: int
    window: int | None = None
    """Sliding window (or chunk) in tokens; None = full attention."""
    cached: bool = True
    """False: the layer reads another layer's cache and keeps none."""
    indexer_length: int = 0
    """Row of an additional keys-only cache (sparse attention); 0 = none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recurrent:
    """Fixed state per sequence, in elements."""

    conv: int
    state: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One block; attention and recurrent state may both be there (Falcon-H1), or neither (a lone MLP)."""

    attention: Attention | None = None
    recurrent: Recurrent | None = None
    weights: tuple[Weight, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """Everything about a model that decides memory, independent of engine and file format."""

    architecture: str
    name: str = ""
    layers: tuple[Layer, ...]
    """All blocks in the file; the last `n_layer_nextn` only predict ahead (MTP)."""
    n_layer_nextn: int = 0
    context_length: int
    embedding_length: int
    vocab_size: int
    weights: tuple[Weight, ...] = ()
    """The tensors that belong to no block."""
    traits: tuple[str, ...] = ()
    """How the architecture computes where neither keys nor tensors tell; sorted, see facts/families."""
    hyperparameters: tuple[tuple[str, Hyperparameter], ...] = ()
    """Numbers from the file that the compute model needs, without the architecture's prefix; sorted."""
    parameter_count: int = 0
    file_bytes: int = 0
    format: Format = "gguf"
    basis: Basis = Basis.EXACT

    @property
    def n_layer(self) -> int:
        """Blocks in the file, prediction blocks included: these are the slots that layers are dealt to."""
        return len(self.layers)

    @property
    def n_trunk(self) -> int:
        """Blocks that every token passes."""
        return len(self.layers) - self.n_layer_nextn

    @property
    def is_mla(self) -> bool:
        """Whether the cache holds one compressed row per cell and no values."""
        return "mla" in self.traits

    @cached_property
    def values(self) -> Mapping[str, Hyperparameter]:
        """`hyperparameters` as a mapping."""
        return dict(self.hyperparameters)

    def number(self, key: str, default: int = 0) -> int:
        """An integer hyperparameter; of a per-layer list, its largest. Raises Failure when it is none."""
        value = self.values.get(key, default)
        try:
            return max(map(int, value), default=default) if isinstance(value, tuple) else int(value)
        except ValueError as exc:
            raise Failure(f"`{key}` of the model is no number: {value!r:.90}") from exc

    @cached_property
    def by_name(self) -> Mapping[str, Weight]:
        """The tensors that belong to no block, by name."""
        return {w.name: w for w in self.weights}

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """A number for each layer, equal for layers that differ in nothing but how their tensors are stored."""
        seen: dict[object, int] = {}
        shapes = (
            (x.attention, x.recurrent, tuple((w.name, w.shape) for w in x.weights)) for x in self.layers
        )
        return tuple(seen.setdefault(shape, len(seen)) for shape in shapes)

    @cached_property
    def weight_bytes(self) -> int:
        """Bytes of all tensors as stored."""
        blocks = sum(w.size for layer in self.layers for w in layer.weights)
        return blocks + sum(w.size for w in self.weights)
