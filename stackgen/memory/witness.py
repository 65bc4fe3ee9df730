"""The question that llama-fit-params can answer, and our answer to that very question beside its own.

The tool is not llama-server: it reserves logits for every token of a micro-batch, knows no unified cache, and
neither drafts nor embeds. So both sides are asked the tool's question; where the server's differs, it is said.
"""

from collections.abc import Sequence
from dataclasses import replace

from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Memory, TermName
from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import MIB
from stackgen.domain.witness import Comparison, Place, Statement, Usage
from stackgen.memory.errors import Refused, UnknownArchitecture
from stackgen.memory.llama import footprint

AUTO_SLOTS = 4
"""Slots of a server that was not told how many; they share one cache."""


def as_asked(params: LlamaParams, devices: Sequence[int]) -> LlamaParams:
    """The nearest question that the tool understands, with the split between devices of these bytes spelled out.

    Slots that share a cache become one sequence: one stream of all cells, with one mask, is what they are.
    """
    shared = params.n_parallel < 0 if params.kv_unified is None else params.kv_unified
    return replace(
        params,
        n_parallel=1 if shared else max(1, params.n_parallel) if params.n_parallel >= 0 else AUTO_SLOTS,
        kv_unified=False,
        n_batch=min(params.n_batch, params.n_ubatch or params.n_batch)
        if params.embeddings
        else params.n_batch,
        tensor_split=params.tensor_split or (tuple(map(float, devices)) if len(devices) > 1 else ()),
        embeddings=False,
        all_outputs=True,
        spec_type="none",
    )


def left_out(params: LlamaParams) -> tuple[str, ...]:
    """How the server's own figures differ from those for the tool's question, in sentences."""
    slots = AUTO_SLOTS if params.n_parallel < 0 else params.n_parallel
    shared = params.n_parallel < 0 if params.kv_unified is None else params.kv_unified
    found = []
    if not params.embeddings:
        found.append(
            "logits for every token of a micro-batch (a server from b9496 on keeps one row per slot, and takes less)"
        )
    if shared and slots > 1:
        found.append(f"one sequence for the {slots} slots that share a cache")
    if params.spec_type != "none":
        found.append(f"no speculative decoding ({params.spec_type})")
    if params.embeddings:
        found.append("no pooling of embeddings")
    return tuple(found)


def compare(
    label: str,
    facts: ModelFacts | None,
    params: LlamaParams,
    devices: Sequence[int],
    said: Statement,
    numbers: Sequence[int] = (),
) -> Comparison:
    """The engine's answer beside ours; `params` are the server's own, `devices` free bytes.

    `numbers` are the devices' indexes on their host, when they are not all of them from 0 on.
    """
    ours: list[Usage | None]
    why_not = None if facts is not None else "nothing is known of this model"
    try:
        if facts is None:
            ours = [None] * (len(devices) + 1)
        else:
            found = footprint(facts, as_asked(params, devices), devices)
            ours = [usage(memory) for memory in (*found.devices, found.host)]
    except (Refused, UnknownArchitecture) as exc:
        ours, why_not = [None] * (len(devices) + 1), str(exc)
    names = (*(f"GPU {i}" for i in numbers or range(len(devices))), "host")
    places = zip(names, ours, (*said.devices, said.host), strict=True)
    return Comparison(
        label=label,
        build=said.build,
        asked=said.asked,
        places=tuple(Place(name=name, ours=mine, engine=theirs) for name, mine, theirs in places),
        left_out=left_out(params),
        why_not=why_not,
    )


def usage(memory: Memory) -> Usage:
    """A place in the engine's columns, rounded down to MiB as the engine does."""
    model, context, compute = (
        sum(t.best for t in memory.of(*names)) // MIB
        for names in ((TermName.WEIGHTS,), (TermName.KV, TermName.RECURRENT), (TermName.COMPUTE,))
    )
    return Usage(model, context, compute)
