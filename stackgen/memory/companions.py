"""What rides along in the same process: a projector for images, a draft model, prediction blocks."""

from dataclasses import replace

from stackgen.domain.facts import Layer, ModelFacts
from stackgen.domain.footprint import Basis, Memory, Term, TermName
from stackgen.domain.llama import LlamaParams
from stackgen.memory.cache import layer_bytes
from stackgen.memory.geometry import Geometry
from stackgen.memory.model.worst_case import compute_bytes
from stackgen.memory.placement import Placement

PROJECTOR_BEST, PROJECTOR_HIGH = 140, 185
"""Per cent of its tensors that a projector takes with its compute buffer: rules of thumb of two estimators;
the server's own figure for a 27B model's vision tower is 128."""


def projector(facts: ModelFacts) -> Term:
    """A projector on the device that holds it: its tensors, and a vision graph that grows with the image."""
    return projector_of(facts.weight_bytes, facts.weight_bytes, Basis.MODELLED)


def projector_of(low: int, high: int, basis: Basis) -> Term:
    """The same for a projector of which only the size of its tensors is known, between two bounds in bytes."""
    return Term(
        name=TermName.MMPROJ,
        low=low,
        best=(low + high) // 2 * PROJECTOR_BEST // 100,
        high=high * PROJECTOR_HIGH // 100,
        basis=basis,
        formula=f"{high} B of tensors, and {PROJECTOR_BEST - 100}-{PROJECTOR_HIGH - 100} % more to encode an image",
    )


def draft_params(params: LlamaParams) -> LlamaParams:
    """How llama-server starts a draft model: the target's context, its own layers and cache types."""
    return params._replace(
        n_gpu_layers=params.draft_n_gpu_layers,
        type_k=params.draft_type_k,
        type_v=params.draft_type_v,
        cpu_moe=False,
        n_cpu_moe=0,
        override_tensor=(),
        spec_type="none",
        embeddings=False,
    )


def as_draft(memory: Memory) -> Term | None:
    """A whole footprint as one term of the process that carries it."""
    if not memory.high:
        return None
    return Term(
        name=TermName.DRAFT,
        low=memory.low,
        best=memory.best,
        high=memory.high,
        basis=Basis.MODELLED,
        formula="weights, cache and compute buffer of the draft model",
    )


def uses_prediction_blocks(facts: ModelFacts, params: LlamaParams) -> bool:
    """Whether the file's own prediction blocks (MTP) do the drafting."""
    return facts.n_layer_nextn > 0 and params.spec_type in ("mtp", "draft-mtp")


def prediction(
    facts: ModelFacts, params: LlamaParams, geo: Geometry, placement: Placement
) -> list[Term | None]:
    """A second context over the prediction blocks: their weights, their cache in f16, a graph of one block."""
    cache_params = params._replace(type_k="f16", type_v="f16")
    fixed = [0] * placement.places
    for i in range(facts.n_trunk, facts.n_layer):
        layer, home = facts.layers[i], placement.layers[i]
        fixed[home] += sum(w.size for w in layer.weights)
        if layer.attention is not None:
            own = replace(layer.attention, cached=True)
            fixed[home] += layer_bytes(own, facts, cache_params, geo, 0)
    alone = replace(facts, layers=(_decoder(facts),), n_layer_nextn=0)
    where = replace(placement, layers=(placement.layers[-2], placement.output), pipeline=False)
    few = compute_bytes(alone, cache_params, geo, where)
    # Older servers reserve logits for every token of a micro-batch.
    many = compute_bytes(alone, cache_params, geo._replace(n_outputs=geo.n_ubatch), where)
    return [
        Term(
            name=TermName.DRAFT,
            low=fixed[i] + few[i],
            best=fixed[i] + few[i],
            high=fixed[i] + max(few[i], many[i]),
            basis=Basis.MODELLED,
            formula=f"prediction blocks: {fixed[i]} B of weights and f16 cache, and a graph of one block",
        )
        if fixed[i]
        else None
        for i in range(placement.places)
    ]


def _decoder(facts: ModelFacts) -> Layer:
    """A prediction block without what joins it to the trunk."""
    block = facts.layers[-1]
    return replace(
        block, recurrent=None, weights=tuple(w for w in block.weights if not w.name.startswith("nextn."))
    )
