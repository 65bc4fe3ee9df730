"""What the host writes for each micro-batch: positions, masks, indexes (`llm_graph_input_i`)."""

from functools import cached_property

from stackgen.domain.facts import ModelFacts
from stackgen.domain.ggml import is_quantized
from stackgen.domain.llama import LlamaParams
from stackgen.memory.geometry import Geometry
from stackgen.memory.graph.tensors import Graph, Tensor


class Inputs:
    """What the host writes for each micro-batch, made when first asked for."""

    def __init__(self, g: Graph, facts: ModelFacts, params: LlamaParams, geo: Geometry) -> None:
        self.g, self.facts, self.params, self.geo = g, facts, params, geo
        self.flash_attn = geo.flash_attn
        self._made: dict[str, Tensor] = {}

    def _once(self, name: str, kind: str, *ne: int) -> Tensor:
        if name not in self._made:
            self._made[name] = self.g.input(kind, *ne)
        return self._made[name]

    @property
    def positions(self) -> Tensor:
        """One position a token; four with multi-axis rotary positions."""
        axes = 4 if self.facts.number("rope.dimension_sections") > 0 else 1
        return self._once("positions", "i32", self.geo.n_ubatch * axes)

    @property
    def out_ids(self) -> Tensor:
        """The rows whose logits are wanted."""
        return self._once("out_ids", "i32", self.geo.n_outputs)

    def mask(self, window: int | None) -> Tensor:
        """[cells, tokens of a stream, 1, streams]; f16 with flash attention, f32 without."""
        kind, n = "f16" if self.flash_attn else "f32", self.geo.n_ubatch
        if "no_cache" in self.facts.traits:
            return self._once(f"mask {bool(window)}", kind, n, n)
        streams = self.geo.n_stream
        cells = self.geo.cells(window, swa_full=self.params.swa_full)
        return self._once(f"mask {bool(window)}", kind, cells, n // streams, 1, streams)

    def cache_rows(self, which: str, window: int | None, width: int = 1) -> Tensor:
        """Where the new keys or values go, one index a token (times `width` for transposed values)."""
        return self._once(f"{which} {bool(window)}", "i64", self.geo.n_ubatch * width)

    def rotation(self, which: str, window: int | None, kind: str, length: int) -> Tensor | None:
        """The matrix that spreads outliers before a cache is quantised (`build_input_k_rot`)."""
        if not is_quantized(kind) or length % 64:
            return None
        n = 64
        while which == "k" and length % (2 * n) == 0:
            n *= 2
        return self._once(f"rot {which} {bool(window)}", "f32", n, n)

    def indexer_mask(self) -> Tensor:
        """The mask of sparse attention's indexer, always f16."""
        streams, cells = self.geo.n_stream, self.geo.cells(None, swa_full=True)
        return self._once("indexer mask", "f16", cells, self.geo.n_ubatch // streams, 1, streams)

    def matrix(self, name: str, n: int) -> Tensor:
        """A square matrix."""
        return self._once(name, "f32", n, n)

    def states(self) -> Tensor:
        """Which recurrent state belongs to which sequence."""
        return self._once("states", "i32", self.geo.n_seq)

    @cached_property
    def state_views(self) -> tuple[Tensor, Tensor]:
        """The states of this micro-batch's sequences, and those of the others: one view each for all blocks."""
        ids, seqs = self.states(), self.geo.n_seq
        return self.g.view(ids, seqs), self.g.view(ids, seqs - 1)
