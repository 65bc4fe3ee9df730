"""Memory of one llama-server process, term by term and place by place."""

from collections.abc import Sequence

from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Basis, Footprint, Memory, Term, TermName, exact
from stackgen.domain.llama import LlamaParams
from stackgen.memory.cache import cache_bytes, recurrent_bytes
from stackgen.memory.geometry import geometry
from stackgen.memory.model.worst_case import compute_bytes
from stackgen.memory.placement import place
from stackgen.memory.weights import weight_bytes


def footprint(facts: ModelFacts, params: LlamaParams, devices: Sequence[int]) -> Footprint:
    """What the model takes on devices with these free bytes, and on the host.

    Raises Refused for what the engine turns down, UnknownArchitecture for what no rule explains.
    """
    geo = geometry(facts, params)
    placement = place(facts, params, devices)
    weights = weight_bytes(facts, placement)
    caches = cache_bytes(facts, params, geo, placement)
    states = recurrent_bytes(facts, params, geo, placement)
    compute = compute_bytes(facts, params, geo, placement)
    places = [
        Memory(
            (
                exact(TermName.WEIGHTS, weights[i], facts.basis),
                exact(TermName.KV, caches[i], facts.basis),
                exact(TermName.RECURRENT, states[i], facts.basis),
                Term(
                    name=TermName.COMPUTE,
                    low=compute[i],
                    best=compute[i],
                    high=compute[i],
                    basis=Basis.MODELLED,
                ),
            )
        )
        for i in range(placement.places)
    ]
    return Footprint(devices=tuple(places[:-1]), host=places[-1])
