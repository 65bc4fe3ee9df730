"""Memory of one llama-server process, term by term and place by place."""

from collections.abc import Sequence

from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Basis, Footprint, Memory, Term, TermName, exact
from stackgen.domain.ggml import BY_NAME
from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import MIB
from stackgen.memory.cache import cache_bytes, recurrent_bytes
from stackgen.memory.companions import as_draft, draft_params, prediction, projector, uses_prediction_blocks
from stackgen.memory.errors import UnknownArchitecture
from stackgen.memory.explained import require_explained
from stackgen.memory.geometry import Geometry, geometry
from stackgen.memory.model.worst_case import compute_bytes
from stackgen.memory.placement import Placement, place
from stackgen.memory.weights import weight_bytes

SLACK = 2 * MIB
"""What alignment to 128 B on CUDA, instead of 32, and rows padded to whole blocks may add to a buffer."""
UNCHECKED_PERCENT = 25
"""How far a compute buffer may be off for an architecture that was never compared with the engine."""
SCATTERED_PERCENT = 60
"""The same for one slot's states on the host: the graph is cut in many places, and holes decide the peak."""


def footprint(
    facts: ModelFacts,
    params: LlamaParams,
    devices: Sequence[int],
    *,
    mmproj: ModelFacts | None = None,
    draft: ModelFacts | None = None,
) -> Footprint:
    """What the model takes on devices with these free bytes, and on the host.

    Raises Refused for what the engine turns down, UnknownArchitecture for what no rule explains.
    """
    require_explained(facts)
    try:
        return _footprint(facts, params, devices, mmproj, draft)
    except (ArithmeticError, LookupError, TypeError, ValueError) as exc:
        # A file that is damaged, or made up; or a rule of ours that is wrong: the cause is in the chain.
        raise UnknownArchitecture(
            facts.architecture, ["how the shapes of its tensors fit its numbers"]
        ) from exc


def _footprint(
    facts: ModelFacts,
    params: LlamaParams,
    devices: Sequence[int],
    mmproj: ModelFacts | None,
    draft: ModelFacts | None,
) -> Footprint:
    geo = geometry(facts, params)
    placement = place(facts, params, devices)
    columns = [
        _exact(
            TermName.WEIGHTS,
            weight_bytes(facts, placement),
            facts.basis,
            "tensors as stored, at multiples of 32 B",
        ),
        _exact(
            TermName.KV,
            cache_bytes(facts, params, geo, placement),
            facts.basis,
            cache_formula(facts, params, geo),
        ),
        _exact(
            TermName.RECURRENT,
            recurrent_bytes(facts, params, geo, placement),
            facts.basis,
            f"f32 state of {geo.n_seq} slots",
        ),
        *_compute(facts, params, geo, placement),
    ]
    if uses_prediction_blocks(facts, params):
        columns.append(prediction(facts, params, geo, placement))
    if mmproj is not None:
        where = placement.layers_start if params.mmproj_offload else placement.host
        columns.append([projector(mmproj) if i == where else None for i in range(placement.places)])
    if draft is not None:
        beside = footprint(draft, draft_params(params), devices)
        columns.append([as_draft(m) for m in (*beside.devices, beside.host)])
    places = [
        Memory(tuple(term for column in columns if (term := column[i]) is not None))
        for i in range(placement.places)
    ]
    return Footprint(devices=tuple(places[:-1]), host=places[-1])


def cache_formula(facts: ModelFacts, params: LlamaParams, geo: Geometry) -> str:
    """The arithmetic of the cache in words."""
    kinds: dict[tuple[int, int], int] = {}
    for layer in facts.layers:
        a = layer.attention
        if a is not None and a.cached:
            key = (
                geo.cells(a.window, swa_full=params.swa_full),
                a.heads_kv * (a.key_length + a.value_length),
            )
            kinds[key] = kinds.get(key, 0) + 1
    parts = [
        f"{count} layers x {cells} cells x {width} elements"
        for (cells, width), count in sorted(kinds.items())
    ]
    return f"{geo.n_stream} x ({' + '.join(parts) or '0'}) in {params.type_k}/{params.type_v}"


def _exact(name: TermName, sizes: Sequence[int], basis: Basis, formula: str) -> list[Term | None]:
    return [exact(name, size, basis, formula) for size in sizes]


def _compute(
    facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement
) -> list[list[Term | None]]:
    """The compute buffer as the engine's allocator finds it; and what CUDA may need on top, in `high` alone."""
    sizes = compute_bytes(facts, params, geo, placement)
    percent = _margin(facts, geo)
    buffers: list[Term | None] = [
        Term(
            name=TermName.COMPUTE,
            low=size * 100 // (100 + percent),
            best=size,
            high=size + size * percent // 100 + SLACK if size else 0,
            basis=Basis.MODELLED,
            formula=f"peak of the graph of {geo.n_ubatch} tokens and {geo.n_outputs} output rows",
        )
        for size in sizes
    ]
    return [buffers, _device_extras(facts, params, geo, placement, sizes)]


def _margin(facts: ModelFacts, geo: Geometry) -> int:
    """How far a compute buffer may be above our figure, in per cent."""
    if not geo.offload_cache and any(x.recurrent is not None for x in facts.layers):
        return SCATTERED_PERCENT if geo.n_seq == 1 else UNCHECKED_PERCENT
    return 1 if "checked" in facts.traits else UNCHECKED_PERCENT


def _device_extras(
    facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement, sizes: Sequence[int]
) -> list[Term | None]:
    moved = [0] * placement.places
    if (
        params.op_offload
        and placement.n_devices
        and geo.n_ubatch >= 32
        and placement.host in _block_places(facts, placement)
    ):
        offloaded = compute_bytes(facts, params, geo, placement, offload=True)
        moved = [max(0, after - before) for after, before in zip(offloaded, sizes, strict=True)]
    extras: list[Term | None] = []
    for i in range(placement.n_devices):
        converted = _converted_cache(facts, params, geo, placement, i)
        parts = []
        if moved[i]:
            parts.append(f"{moved[i]} B for host weights that large batches fetch")
        if converted:
            parts.append(f"{converted} B for one layer's cache converted to f16")
        extra = moved[i] + converted
        extras.append(
            Term(
                name=TermName.COMPUTE,
                low=0,
                best=0,
                high=extra,
                basis=Basis.MODELLED,
                formula="on CUDA: " + ", ".join(parts),
            )
            if extra
            else None
        )
    return [*extras, None]


def _block_places(facts: ModelFacts, placement: Placement) -> set[int]:
    """The places that hold weights of blocks."""
    found = set(placement.layers[: facts.n_trunk])
    for i, layer in enumerate(facts.layers[: facts.n_trunk]):
        found.update(placement.of_block(i, layer.weights).values())
    return found


def _converted_cache(
    facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement, device: int
) -> int:
    """CUDA's flash attention reads f16: the largest layer's K or V in f16, where it is stored as something else."""
    if not geo.flash_attn or not geo.offload_cache:
        return 0
    k, v = (kind == "bf16" or BY_NAME[kind].block > 1 for kind in (params.type_k, params.type_v))
    largest = 0
    for i, layer in enumerate(facts.layers[: facts.n_trunk]):
        a = layer.attention
        if a is not None and placement.layers[i] == device:
            width = a.heads_kv * (
                (a.key_length if k else 0) + (a.value_length if v and not facts.is_mla else 0)
            )
            largest = max(largest, 2 * width * geo.cells(a.window, swa_full=params.swa_full))
    return largest
