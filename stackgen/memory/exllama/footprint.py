"""A loaded model as terms per GPU: an interval, for what is allocated for a moment decides where layers go."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from stackgen.data import load_toml
from stackgen.domain.exllama import ExllamaParams
from stackgen.domain.facts import Layer, ModelFacts
from stackgen.domain.footprint import Basis, Footprint, Memory, Term, TermName
from stackgen.domain.units import MIB
from stackgen.memory.exllama.cache import paged_bytes, state_bytes
from stackgen.memory.exllama.scratch import scratch
from stackgen.memory.exllama.split import Piece, budgets, place, shares

EMBEDDING: Final = ("token_embd.weight", "per_layer_token_embd.weight")
"""Kept in main memory (modules/embedding.py, prefer_cpu)."""
_SIDES: Final = ("low", "best", "high")
_UNEVEN: Final = 6
"""Per cent that a GPU may get beyond its share under tensor parallelism."""
_FORMULAS: Final = {
    TermName.WEIGHTS: "tensors of the layers here",
    TermName.KV: "tokens of the cache x bytes of a token in the layers here",
    TermName.RECURRENT: "slots x rings and states of the layers here",
}


class _Figures(NamedTuple):
    """Bytes of one GPU under one assumption."""

    weights: int = 0
    kv: int = 0
    recurrent: int = 0
    compute: int = 0


class _Overheads(NamedTuple):
    """One assumption: bytes of CUDA and of a moment, and what PyTorch keeps beyond its tensors, in per cent."""

    process: int
    moment: int
    slack: int
    weights: int
    """Per cent of the weights that there are."""


class Companion(NamedTuple):
    """What is loaded before the model: a draft model, or the part that sees; low, best and high bytes."""

    name: TermName
    sizes: tuple[int, int, int]
    split: tuple[int, ...] = ()
    """Where it is told to go, in bytes for each GPU; empty = the first that may be used."""


def footprint(
    facts: ModelFacts,
    params: ExllamaParams,
    free: Sequence[int],
    companions: Sequence[Companion] = (),
    spread_percent: int = 0,
) -> Footprint:
    """What a model takes on each GPU, of which `free` bytes are there, and in main memory."""
    moment = scratch(facts, params)
    table, slack = load_toml("exllama")["process"], load_toml("exllama")["allocator"]
    process = [int(table[side]) * MIB for side in _SIDES]
    before = [_dealt(companion, free, params) for companion in companions]
    columns = [
        _column(
            _pieces(facts, params),
            params,
            free,
            _Overheads(process[i], getattr(moment, side), int(slack[side]), 100 + (i - 1) * spread_percent),
            [sum(parts[gpu][i] for parts in before) for gpu in range(len(free))],
        )
        for i, side in enumerate(_SIDES)
    ]
    devices = []
    for gpu in range(len(free)):
        mine = [(c.name, parts[gpu]) for c, parts in zip(companions, before, strict=True) if parts[gpu][2]]
        found = [column[gpu] for column in columns]
        loaded = mine or any(figures.weights for figures in found)
        terms = (*_terms(found, process, facts, moment.formula), *_companions(mine)) if loaded else ()
        devices.append(Memory(terms))
    return Footprint(devices=tuple(devices), host=_host(facts, params))


def _pieces(facts: ModelFacts, params: ExllamaParams) -> list[Piece]:
    """The layers of the trunk, then what belongs to none, which goes with the head."""
    layers = [
        Piece(
            _gpu_weights(layer, index, params),
            paged_bytes(layer, facts, params),
            state_bytes(layer, facts, params),
        )
        for index, layer in enumerate(facts.layers[: facts.n_trunk])
    ]
    head = sum(w.size for w in facts.weights if w.name not in EMBEDDING)
    if "output.weight" not in facts.by_name and (embedding := facts.by_name.get("token_embd.weight")):
        head += embedding.size  # a second copy, for the output
    return [*layers, Piece(head)]


def _gpu_weights(layer: Layer, index: int, params: ExllamaParams) -> int:
    return sum(w.size for w in layer.weights) - (
        _experts(layer) if index < params.cpu_moe_offload_layers else 0
    )


def _experts(layer: Layer) -> int:
    return sum(w.size for w in layer.weights if "_exps" in w.name)


def _column(
    pieces: Sequence[Piece],
    params: ExllamaParams,
    free: Sequence[int],
    assumed: _Overheads,
    taken: Sequence[int],
) -> list[_Figures]:
    """All GPUs under one assumption; `taken` is loaded there before."""
    caps = budgets(params, free, assumed.process)
    pieces = [piece._replace(weights=piece.weights * assumed.weights // 100) for piece in pieces]
    if params.tensor_parallel and len(free) > 1:
        # Whole heads and channels make shares uneven, and some parts are on every GPU.
        uneven = _UNEVEN if assumed.weights > 100 or assumed.slack > 2 else 0
        parts = [share * (100 + uneven) / 100 for share in shares(caps)]
        sums = [[int(sum(column) * part) for column in zip(*pieces, strict=True)] for part in parts]
    else:
        stretched = [Piece(*(n * (100 + assumed.slack) // 100 for n in piece)) for piece in pieces]
        homes = place(stretched, caps, taken, assumed.moment)
        sums = [
            [
                sum(piece[k] for piece, home in zip(pieces, homes, strict=True) if home == gpu)
                for k in range(3)
            ]
            for gpu in range(len(free))
        ]
    return [
        _Figures(row[0], row[1], row[2], assumed.moment + sum(row) * assumed.slack // 100)
        if any(row)
        else _Figures()
        for row in sums
    ]


def _terms(
    found: Sequence[_Figures], process: Sequence[int], facts: ModelFacts, moment: str
) -> Iterator[Term]:
    """The interval of each term; the high bounds together are the largest sum of any one assumption."""
    best, most = found[1], max(sum(figures) + size for figures, size in zip(found, process, strict=True))
    # A GPU that is filled to its cap holds more layers where less is needed for a moment, never both.
    fixed = [max(a, b) for a, b in zip(best[:3], found[2][:3], strict=True)]
    compute = max(best.compute, most - sum(fixed) - process[2])
    context = max(process[1], min(process[2], most - sum(fixed) - compute))
    names = (TermName.WEIGHTS, TermName.KV, TermName.RECURRENT)
    for index, name in enumerate(names):
        low = min(figures[index] for figures in found)
        if fixed[index]:
            yield Term(name, low, best[index], fixed[index], facts.basis, _FORMULAS[name])
    yield Term(
        name=TermName.COMPUTE,
        low=min(figures.compute for figures in found),
        best=best.compute,
        high=compute,
        basis=Basis.MODELLED,
        formula=f"{moment}; what PyTorch keeps beyond its tensors",
    )
    yield Term(
        name=TermName.CONTEXT,
        low=process[0],
        best=process[1],
        high=context,
        basis=Basis.MODELLED,
        formula=str(load_toml("exllama")["process"]["source"]),
    )


def _dealt(companion: Companion, free: Sequence[int], params: ExllamaParams) -> list[tuple[int, int, int]]:
    """(low, best, high) of a companion on each GPU."""
    split = (*companion.split, *[0] * len(free))[: len(free)]
    if not sum(split):
        caps = budgets(params, free, 0)
        first = next((i for i, cap in enumerate(caps) if cap), 0)
        split = tuple(int(i == first) for i in range(len(free)))
    low, best, high = companion.sizes
    whole = sum(split)
    return [(low * part // whole, best * part // whole, high * part // whole) for part in split]


def _companions(mine: Sequence[tuple[TermName, tuple[int, int, int]]]) -> Iterator[Term]:
    for name, (low, best, high) in mine:
        yield Term(
            name, low, best, high, Basis.MODELLED, "loaded first, with a cache of its own where it has one"
        )


def _host(facts: ModelFacts, params: ExllamaParams) -> Memory:
    """The embedding, and experts that were left in main memory."""
    embedding = sum(w.size for w in facts.weights if w.name in EMBEDDING)
    experts = sum(_experts(layer) for layer in facts.layers[: params.cpu_moe_offload_layers])
    size = embedding + experts
    return Memory(
        (
            Term(
                name=TermName.WEIGHTS,
                low=size,
                best=size,
                high=size,
                basis=facts.basis,
                formula=f"embedding {embedding} B + experts {experts} B",
            ),
        )
        if size
        else ()
    )


def alone(facts: ModelFacts, params: ExllamaParams, *, prediction: bool = False) -> tuple[int, int, int]:
    """(low, best, high) bytes of a draft model with its cache, or of a model's own prediction blocks with theirs."""
    layers = facts.layers[facts.n_trunk :] if prediction else facts.layers[: facts.n_trunk]
    kept = sum(
        sum(w.size for w in layer.weights)
        + paged_bytes(layer, facts, params)
        + state_bytes(layer, facts, params)
        for layer in layers
    )
    if not prediction:
        kept += sum(w.size for w in facts.weights if w.name not in EMBEDDING)
    # Its activations reuse what the model's were given.
    return kept, kept, kept + scratch(facts, params).low
