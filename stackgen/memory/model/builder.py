"""Common ground of all models: embeddings, norms, feed-forward networks, head (`llm_graph_context`)."""

from collections.abc import Mapping
from functools import cached_property

from stackgen.domain.facts import Attention, Layer, ModelFacts, Weight
from stackgen.domain.llama import LlamaParams
from stackgen.memory.errors import UnknownArchitecture
from stackgen.memory.geometry import Geometry
from stackgen.memory.graph.tensors import Graph, Tensor
from stackgen.memory.model.inputs import Inputs
from stackgen.memory.placement import Placement


class _Table(dict[str, Weight]):
    """The tensors of one block; one that is missing is what no rule explains."""

    def __init__(self, facts: ModelFacts, layer: Layer) -> None:
        super().__init__((w.name, w) for w in layer.weights)
        self.architecture = facts.architecture

    def __missing__(self, name: str) -> Weight:
        raise UnknownArchitecture(self.architecture, [f"a block without `{name}`"])


class Builder:
    """Builds one worst-case graph; `i` is the block at work, `w` its tensors."""

    def __init__(self, facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement) -> None:
        self.facts, self.params, self.geo, self.placement = facts, params, geo, placement
        self.g = Graph()
        self.n, self.n_outputs = geo.n_ubatch, geo.n_outputs
        self.embd = facts.embedding_length
        self.rms = "attention.layer_norm_rms_epsilon" in facts.values
        self.inputs = Inputs(self.g, facts, params, geo)
        self.i = 0
        self.layer = Layer()
        self.w: Mapping[str, Weight] = {}
        self._leafs: dict[str, Tensor] = {}
        self._moved: Mapping[str, int] = {}
        self._tables: dict[int, Mapping[str, Weight]] = {}
        self._globals: dict[str, Tensor] = {}
        self.chosen: Tensor | None = None
        """The cells that sparse attention attends to, as the last indexer chose them."""
        self.first_value: Tensor | None = None
        """The values of the first block, which RWKV 7 mixes into all others."""
        self.raw_embeddings: Tensor | None = None
        """The rows as they came, deepstack features of images included."""

    # -- weights

    def enter(self, i: int) -> None:
        """Turn to block i."""
        self.i, self.layer = i, self.facts.layers[i]
        if id(self.layer) not in self._tables:
            self._tables[id(self.layer)] = _Table(self.facts, self.layer)
        self.w = self._tables[id(self.layer)]
        self._leafs = {}
        self._moved = self.placement.of_block(i, self.layer.weights)

    def has(self, name: str) -> bool:
        """Whether this block has a tensor."""
        return name in self.w

    def weight(self, name: str) -> Tensor:
        """A tensor of this block as a leaf."""
        if name not in self._leafs:
            w = self.w[name]
            where = self._moved.get(name, self.home)
            self._leafs[name] = self.g.weight(where, *w.shape, size=w.size)
        return self._leafs[name]

    def maybe(self, name: str) -> Tensor | None:
        """A tensor of this block, or None."""
        return self.weight(name) if name in self.w else None

    def tensor(self, name: str) -> Tensor:
        """A tensor that belongs to no block."""
        if name not in self._globals:
            if name not in self.facts.by_name:
                raise UnknownArchitecture(self.facts.architecture, [f"a file without `{name}`"])
            place = self.placement.of(name, None)
            self._globals[name] = self.g.weight(place, *self.facts.by_name[name].shape)
        return self._globals[name]

    @property
    def home(self) -> int:
        """Where this block's weights are."""
        return self.placement.layers[self.i]

    @property
    def cache_home(self) -> int:
        """Where this block's cache is."""
        return self.home if self.geo.offload_cache else self.placement.host

    @cached_property
    def widest_v(self) -> int:
        """The widest row of values of any layer: transposed caches are all this wide."""
        attention = [x.attention for x in self.facts.layers if x.attention is not None]
        return max((a.heads_kv * a.value_length for a in attention), default=0)

    @cached_property
    def has_windows(self) -> bool:
        """Whether any layer has a window."""
        return any(x.attention is not None and x.attention.window is not None for x in self.facts.layers)

    def shared_cache_home(self, a: Attention) -> int:
        """Where the cache is that a layer without one reads: of the last layer before it of its kind."""
        layers = self.facts.layers
        source = max(
            (
                i
                for i, x in enumerate(layers)
                if x.attention and x.attention.cached and (x.attention.window is None) == (a.window is None)
            ),
            default=self.i,
        )
        return self.placement.layers[source] if self.geo.offload_cache else self.placement.host

    def cells(self, window: int | None) -> int:
        """Cells that one token attends to."""
        return self.geo.cells(window, swa_full=self.params.swa_full)

    def need(self, key: str) -> int:
        """An integer hyperparameter that must be there and not 0."""
        if value := self.facts.number(key):
            return value
        raise UnknownArchitecture(self.facts.architecture, [f"a file without `{key}`"])

    # -- pieces

    def linear(self, name: str, cur: Tensor) -> Tensor:
        """A matrix, its scale, its bias."""
        out = self.g.mul_mat(self.weight(name + ".weight"), cur)
        if self.has(name + ".scale"):
            out = self.g.mul(out, self.weight(name + ".scale"))
        if self.has(name + ".bias"):
            out = self.g.add(out, self.weight(name + ".bias"))
        return out

    def norm(self, cur: Tensor, name: str, *, rms: bool | None = None) -> Tensor:
        """Normalise, scale, shift. RMS may be in place, layer norm never is."""
        in_place = self.rms if rms is None else rms
        out = self.g.same(cur) if in_place else self.g.own(cur)
        weight, bias = self.maybe(name + ".weight"), self.maybe(name + ".bias")
        if weight:
            out = self.g.mul(out, weight)
        return self.g.add(out, bias) if bias else out

    def pick_outputs(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The wanted rows only, from here on."""
        return tuple(self.g.get_rows(t, self.inputs.out_ids) for t in tensors)

    def embeddings(self) -> Tensor:
        """Token rows, given rows, or a mix of both; all three ways are in the graph (`build_inp_embd`)."""
        g, n = self.g, self.n
        table = self.facts.by_name.get("token_embd.weight")
        vocab = table.shape[-1] if table else self.facts.vocab_size
        where = self.placement.of("token_embd.weight", None)
        wide = self.embd * (1 + self.facts.number("n_deepstack_layers"))

        def rows(ids: Tensor) -> Tensor:
            found = g.get_rows(g.weight(where, self.embd, vocab), ids)
            return g.op((wide, n), found) if wide != self.embd else found

        tokens = g.expand(rows(g.input("i32", n)))
        given = g.expand(g.input("f32", wide, n))
        if "no_mixed_batch" not in self.facts.traits:
            base = g.own(g.input("f32", wide, n))
            g.expand(g.set_rows(base, rows(g.input("i32", n)), g.input("i64", n)))
        del given
        out = g.view(tokens, self.embd, n, nb=(4 * wide,)) if wide != self.embd else tokens
        self.raw_embeddings = out
        if "scaled_embeddings" in self.facts.traits:
            out = g.mul(g.cont(out) if out.nb else out, g.input("f32", 1, n))
        return self._encoder_input(g.expand(out))

    def _encoder_input(self, cur: Tensor) -> Tensor:
        """What some models add to the token's row: type, position, a norm."""
        g, names = self.g, self.facts.by_name
        if "token_types.weight" in names:
            table = g.weight(
                self.placement.of("token_types.weight", None), *names["token_types.weight"].shape
            )
            cur = g.add(cur, g.view(table, self.embd))
        if "position_embd.weight" in names:
            table = g.weight(
                self.placement.of("position_embd.weight", None), *names["position_embd.weight"].shape
            )
            rows = g.get_rows(table, self.inputs.positions)
            cur = g.add(rows, cur) if "no_cache" in self.facts.traits else g.add(cur, rows)
        if "token_embd_norm.weight" in names and not self.facts.architecture.startswith("lfm2"):
            place = self.placement.of("token_embd_norm.weight", None)
            cur = g.mul(g.own(cur), g.weight(place, self.embd))
            cur = g.add(cur, g.weight(place, self.embd)) if "token_embd_norm.bias" in names else cur
        return cur

    def gated(self, up: Tensor, gate: Tensor) -> Tensor:
        """act(gate) * up: a tensor of its own."""
        return self.g.own(gate, up)

    def ffn(self, cur: Tensor, suffix: str = "") -> Tensor:
        """up, gate, activation, down (`build_ffn`); a fused up holds both halves."""
        up = self.linear("ffn_up" + suffix, cur)
        if self.has(f"ffn_gate{suffix}.weight"):
            hidden = self.gated(up, self.linear("ffn_gate" + suffix, cur))
        elif self.w[f"ffn_up{suffix}.weight"].shape[1] == 2 * self.w[f"ffn_down{suffix}.weight"].shape[0]:
            hidden = self.g.op((up.ne[0] // 2, *up.ne[1:]), up)
        else:
            hidden = self.g.same(up)
        return self.linear("ffn_down" + suffix, hidden)

    def head(self, cur: Tensor) -> None:
        """Final norm, the wanted rows, logits; all of these survive the graph."""
        facts, traits = self.facts, self.facts.traits
        if "late_output" in traits:
            cur.output = True
            (cur,) = self.pick_outputs(cur)
        cur = self._final_norm(cur)
        cur.output = True
        if "late_norm_output" in traits:
            (cur,) = self.pick_outputs(cur)
            cur.output = True
        pooled = pooling(self, cur) if self.params.embeddings else None
        if "no_head" not in traits and "no_logits" not in traits:
            names = facts.by_name
            matrix = names.get("output.weight") or names.get("token_embd.weight")
            rows = matrix.shape[-1] if matrix else facts.vocab_size
            tied = "output.weight" not in names
            place = self.placement.of("output.weight", None)
            if tied:
                on_input = "head_on_input" in traits
                name = "token_embd.weight"
                place = self.placement.of(name, None) if on_input else self.placement.output_of(name)
            cur = self.g.mul_mat(self.g.weight(place, self.embd, rows), cur)
            if "output.bias" in names:
                cur = self.g.add(cur, self.g.weight(place, rows))
            cur.output = True
        self.g.expand(cur)
        if pooled is not None:
            pooled.output = True
            self.g.expand(pooled)

    def _final_norm(self, cur: Tensor) -> Tensor:
        names = self.facts.by_name
        norm = "token_embd_norm" if self.facts.architecture.startswith("lfm2") else "output_norm"
        if norm + ".weight" not in names:
            return self.g.own(cur) if "plain_norms" in self.facts.traits else cur
        place = self.placement.of("output_norm.weight", None)
        out = self.g.same(cur) if self.rms else self.g.own(cur)
        out = self.g.mul(out, self.g.weight(place, self.embd))
        return self.g.add(out, self.g.weight(place, self.embd)) if norm + ".bias" in names else out


def pooling(b: Builder, cur: Tensor) -> Tensor:
    """One row for each sequence: the mean, or one of its tokens (`build_pooling`)."""
    kind = b.facts.number("pooling_type")
    if kind == 1:
        means = b.g.input("f32", b.n, b.geo.n_seq)
        return b.g.mul_mat(b.g.cont(b.g.transpose(cur)), means)
    return b.g.get_rows(cur, b.g.input("i32", b.geo.n_seq)) if kind in (2, 3) else cur
