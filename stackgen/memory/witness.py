"""Our answer to the question that llama-fit-params was asked, beside its own."""

from collections.abc import Sequence

from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Memory, TermName
from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import MIB
from stackgen.domain.witness import Comparison, Place, Statement, Usage
from stackgen.memory.errors import Refused, UnknownArchitecture
from stackgen.memory.llama import footprint
from stackgen.memory.question import as_asked, left_out


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
