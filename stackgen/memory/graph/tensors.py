"""Tensors of a compute graph and the operations that make them: shapes and lifetimes, no data.

Each method mirrors the ggml function of its name as far as memory sees it: the shape and the layout of the
result, whether it may take over its operand's bytes, whether it is a view. Shapes are in ggml order.
"""

from stackgen.domain.ggml import TYPES

SIZE: dict[str, float] = {t.name: t.size if t.block == 1 else t.size / t.block for t in TYPES.values()}
"""Bytes of an element; a fraction for quantised types, whose rows are whole numbers of bytes all the same."""
Shape = tuple[int, int, int, int]
Strides = tuple[float, float, float, float]


class Tensor:
    """One node or leaf. Slots, because a plan makes and reads tens of thousands of them."""

    __slots__ = (
        "backend",
        "by_expert",
        "bytes",
        "copies",
        "inplace",
        "input",
        "is_view",
        "lookup",
        "n_children",
        "n_views",
        "nb",
        "ne",
        "output",
        "place",
        "range",
        "seen",
        "src",
        "type",
        "view",
        "wanted",
        "weak",
        "weight",
    )

    def __init__(self, kind: str, ne: Shape, src: "tuple[Tensor, ...]" = ()) -> None:
        self.type, self.ne, self.src = kind, ne, src
        self.nb: Strides | None = None
        """Strides in bytes; None = contiguous."""
        self.view: Tensor | None = None
        """The tensor whose bytes these are."""
        self.is_view = False
        """A view, reshape or permutation: no work and no split of its own."""
        self.inplace = False
        """Whether the result may take over an operand's bytes."""
        self.weak = False
        """An operation whose weights do not decide where it runs (rope, flash attention)."""
        self.wanted: int | None = None
        """Where flash attention would have to run for the engine to keep it."""
        self.lookup = False
        """Reads rows of a table."""
        self.by_expert = False
        """A product whose tokens are in the third dimension."""
        self.place: int | None = None
        """Where a weight or a cache is, which exist outside the graph."""
        self.weight = self.input = self.output = self.seen = False
        # the scheduler's and the allocator's notes
        self.backend = -1
        self.copies: dict[int, Tensor] | None = None
        self.n_children = self.n_views = 0
        self.range = -1
        """Number of the range of bytes that it has; -1 = none."""
        self.bytes = 0
        """Its padded size; of a weight, its size in the file."""

    @property
    def size(self) -> int:
        """Bytes from the first element to the last, gaps included."""
        a, b, c, d = self.ne
        if self.nb is None:
            return int(a * b * c * d * SIZE[self.type])
        return int(
            SIZE[self.type] + sum((n - 1) * stride for n, stride in zip(self.ne, self.nb, strict=True))
        )

    @property
    def strides(self) -> Strides:
        """Strides in bytes."""
        return self.nb or contiguous(self.type, self.ne)


def contiguous(kind: str, ne: Shape) -> Strides:
    """Strides of a tensor without gaps."""
    a = SIZE[kind]
    b = a * ne[0]
    c = b * ne[1]
    return (a, b, c, c * ne[2])


def same_layout(a: Tensor, b: Tensor) -> bool:
    """Same type, shape and strides: one may take over the bytes of the other."""
    return a.type == b.type and a.ne == b.ne and (a.nb == b.nb or a.strides == b.strides)


def _four(ne: tuple[int, ...]) -> Shape:
    return (*ne, 1, 1, 1)[:4]  # type: ignore[return-value]  # always four


class Graph:
    """Builds nodes in the engine's order: operands first, left to right, when a result is expanded."""

    def __init__(self) -> None:
        self.nodes: list[Tensor] = []
        self.leafs: list[Tensor] = []
        self.marks: list[int] = []
        """How many nodes there were at the begin of each block, and of the head."""

    # -- leafs

    def input(self, kind: str, *ne: int) -> Tensor:
        """What the host writes before each run."""
        t = Tensor(kind, _four(ne))
        t.input = True
        return t

    def weight(self, place: int, *ne: int, size: int = 0) -> Tensor:
        """A tensor of the model; `size` are its bytes as stored, which matter when it must be copied."""
        t = Tensor("f32", _four(ne))
        t.place, t.weight, t.bytes = place, True, size
        return t

    def cache(self, place: int, *ne: int, kind: str = "f16") -> Tensor:
        """A tensor that lives from run to run."""
        t = Tensor(kind, _four(ne))
        t.place = place
        return t

    def blank(self, kind: str, *ne: int) -> Tensor:
        """A tensor to be filled."""
        return Tensor(kind, _four(ne))

    def expand(self, t: Tensor) -> Tensor:
        """Append what t needs and t itself (`ggml_build_forward_expand`)."""
        if t.seen:
            return t
        t.seen = True
        for s in t.src:
            if not s.seen:
                self.expand(s)
        (self.nodes if t.src else self.leafs).append(t)
        return t

    def mark(self) -> None:
        """A block or the head begins."""
        self.marks.append(len(self.nodes))

    # -- matrix products and attention

    def mul_mat(self, a: Tensor, b: Tensor) -> Tensor:
        """[k, m] x [k, n, ...] -> [m, n, ...]."""
        return Tensor("f32", (a.ne[1], b.ne[1], b.ne[2], b.ne[3]), (a, b))

    def mul_mat_id(self, a: Tensor, b: Tensor, ids: Tensor) -> Tensor:
        """The experts of each token: [k, m, experts] x [k, ., tokens] -> [m, used, tokens]."""
        t = Tensor("f32", (a.ne[1], ids.ne[0], b.ne[2], 1), (a, b, ids))
        t.by_expert = True
        return t

    def flash_attn(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, sinks: Tensor | None = None
    ) -> Tensor:
        """-> [head, heads, tokens, streams]."""
        src = (q, k, v, mask) if sinks is None else (q, k, v, mask, sinks)
        t = Tensor("f32", (v.ne[0], q.ne[2], q.ne[1], q.ne[3]), src)
        t.weak = True
        return t

    def soft_max(self, a: Tensor, mask: Tensor | None = None, sinks: Tensor | None = None) -> Tensor:
        """In place where it can be."""
        src = tuple(t for t in (a, mask, sinks) if t is not None)
        t = Tensor("f32", a.ne, src)
        t.inplace = True
        return t

    # -- element-wise; all of these may take over an operand's bytes

    def same(self, a: Tensor, *others: Tensor) -> Tensor:
        """add, mul, div, scale, clamp, unary functions, rms_norm: the shape of a, in place where it can be."""
        t = Tensor(a.type, a.ne, (a, *others))
        t.inplace = True
        return t

    add = mul = same

    def rope(self, a: Tensor, positions: Tensor, factors: Tensor | None = None) -> Tensor:
        """Rotary positions."""
        t = Tensor(a.type, a.ne, (a, positions) if factors is None else (a, positions, factors))
        t.weak = t.inplace = True
        return t

    # -- results of their own

    def op(self, ne: tuple[int, ...], *src: Tensor, kind: str = "f32") -> Tensor:
        """Any operation whose result needs bytes of its own."""
        return Tensor(kind, _four(ne), src)

    def own(self, a: Tensor, *others: Tensor, kind: str | None = None) -> Tensor:
        """norm, l2_norm, cont, cast, swiglu_split: the shape of a, never in place."""
        return Tensor(kind or a.type, a.ne, (a, *others))

    cont = own

    def get_rows(self, a: Tensor, ids: Tensor) -> Tensor:
        """The rows of a that ids name."""
        t = Tensor("f32", (a.ne[0], ids.ne[0], ids.ne[1], ids.ne[2]), (a, ids))
        t.lookup = True
        return t

    def concat(self, a: Tensor, b: Tensor, dim: int = 0) -> Tensor:
        """One after the other along `dim`."""
        ne = list(a.ne)
        ne[dim] += b.ne[dim]
        return self.op(tuple(ne), a, b)

    def cont_2d(self, a: Tensor, *ne: int) -> Tensor:
        """A gapless copy in another shape."""
        return Tensor(a.type, _four(ne), (a,))

    # -- views

    def view(self, a: Tensor, *ne: int, nb: tuple[float, ...] = ()) -> Tensor:
        """A window into a; `nb` are the strides of dimensions 1 and up."""
        t = Tensor(a.type, _four(ne), (a,))
        t.view, t.is_view = (a.view or a), True
        if nb:
            b = nb[0]
            c = nb[1] if len(nb) > 1 else b * t.ne[1]
            strides = (SIZE[a.type], b, c, nb[2] if len(nb) > 2 else c * t.ne[2])
            t.nb = None if strides == contiguous(t.type, t.ne) else strides
        return t

    def reshape(self, a: Tensor, *ne: int) -> Tensor:
        """The same bytes in another shape."""
        return self.view(a, *ne)

    def permute(self, a: Tensor, p0: int, p1: int, p2: int, p3: int) -> Tensor:
        """Dimensions in another order; dimension i goes to p_i."""
        old = a.strides
        ne, nb = [0] * 4, [0.0] * 4
        ne[p0], ne[p1], ne[p2], ne[p3] = a.ne
        nb[p0], nb[p1], nb[p2], nb[p3] = old
        t = Tensor(a.type, (ne[0], ne[1], ne[2], ne[3]), (a,))
        t.view, t.is_view = (a.view or a), True
        t.nb = (nb[0], nb[1], nb[2], nb[3])
        return t

    def transpose(self, a: Tensor) -> Tensor:
        """Rows as columns."""
        return self.permute(a, 1, 0, 2, 3)

    def set_rows(self, a: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
        """Write rows into a: real work, but its result is a view of a."""
        t = Tensor(a.type, a.ne, (rows, ids, a))
        t.view = a.view or a
        return t

    def copy(self, a: Tensor, to: Tensor) -> Tensor:
        """Write a into `to`: real work, but its result is a view of `to`."""
        t = Tensor(to.type, to.ne, (a, to))
        t.view, t.nb = (to.view or to), to.nb
        return t
