"""What a process takes when the engine itself has spoken: llama-fit-params' figures in place of ours.

It answers the tool's question, not the server's (memory/question.py). So what it says otherwise than we do of the
tool's question is put on top of what we say of the server's.
"""

from collections.abc import Iterable, Sequence

from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Basis, Footprint, Memory, Term, TermName
from stackgen.domain.llama import LlamaProcess
from stackgen.domain.units import MIB
from stackgen.domain.witness import TOLERANCE, Statement, Usage
from stackgen.memory.llama import SLACK, footprint
from stackgen.memory.question import arguments, as_asked, is_servers_own
from stackgen.memory.witness import usage

CONFIRMED_PERCENT = 1
"""How far a compute buffer may be above our figure when the engine has the same for its own question."""
_COLUMNS = ((TermName.WEIGHTS,), (TermName.KV, TermName.RECURRENT), (TermName.COMPUTE,))


def answer(process: LlamaProcess, measured: Iterable[Statement]) -> Statement | None:
    """The statement that is about this very process."""
    asked = arguments(process.params, process.free)
    return next((s for s in measured if s.answers(asked, len(process.free))), None)


def corrected(
    size: Footprint, facts: ModelFacts, process: LlamaProcess, measured: Iterable[Statement]
) -> Footprint:
    """Our figures for the server, moved by what the engine says otherwise. Raises as `footprint` does."""
    said = answer(process, measured)
    if said is None:
        return size
    ours = footprint(facts, as_asked(process.params, process.free), process.free)
    same = is_servers_own(process.params)
    moved = [
        _moved(memory, _apart(usage(asked), theirs), said, same=same)
        for memory, asked, theirs in zip(
            (*size.devices, size.host), (*ours.devices, ours.host), (*said.devices, said.host), strict=True
        )
    ]
    return Footprint(devices=tuple(moved[:-1]), host=moved[-1])


def stated(process: LlamaProcess, measured: Iterable[Statement]) -> Footprint | None:
    """The engine's figures alone, for a model that no rule of ours explains; None where the server is asked for more.

    Its MiB were rounded down.
    """
    said = answer(process, measured)
    if said is None or not is_servers_own(process.params):
        return None
    places = [Memory(tuple(_stated(place, said))) for place in (*said.devices, said.host)]
    return Footprint(devices=tuple(places[:-1]), host=places[-1])


def _stated(place: Usage, said: Statement) -> Sequence[Term]:
    sizes = zip((TermName.WEIGHTS, TermName.KV, TermName.COMPUTE), place.values, (0, 0, SLACK), strict=True)
    return [
        Term(
            name=name,
            low=mib * MIB,
            best=mib * MIB,
            high=(mib + 1) * MIB + slack if mib else 0,
            basis=Basis.MEASURED,
            formula=f"{_source(said)}: {mib} MiB",
        )
        for name, mib, slack in sizes
    ]


def _apart(ours: Usage, theirs: Usage) -> tuple[int, ...]:
    """Per column, bytes that the engine has more than we; 0 for what rounding explains."""
    found = (b - a for a, b in zip(ours.values, theirs.values, strict=True))
    return tuple(off * MIB if abs(off) > TOLERANCE else 0 for off in found)


def _moved(memory: Memory, apart: Sequence[int], said: Statement, *, same: bool) -> Memory:
    left = dict(zip(_COLUMNS, apart, strict=True))
    terms = []
    for term in memory.terms:
        column = next((c for c in left if term.name in c), None)
        # What CUDA takes on top is in `high` alone: the engine's stand-ins know nothing of it.
        if column is None or (term.high and not term.best):
            terms.append(term)
            continue
        off, left[column] = left[column], 0
        terms.append(
            _compute(term, off, said, same=same) if column[0] is TermName.COMPUTE else _exact(term, off, said)
        )
    return Memory(tuple(terms))


def _exact(term: Term, off: int, said: Statement) -> Term:
    size = max(0, term.best + off)
    # The engine rounds down.
    return term._replace(
        low=size,
        best=size,
        high=size + (MIB if off else 0),
        basis=Basis.MEASURED,
        formula=_told(term, off, said),
    )


def _compute(term: Term, off: int, said: Statement, *, same: bool) -> Term:
    """The interval stays, but for what the engine says of it: narrow where it says the same of the same graph."""
    size = max(0, term.best + off)
    low, high = min(term.low, size), max(term.high, size + SLACK if size else 0)
    if same and not off:
        low = max(low, size * 100 // (100 + CONFIRMED_PERCENT))
        high = min(high, size + size * CONFIRMED_PERCENT // 100 + SLACK if size else 0)
    return term._replace(low=low, best=size, high=high, basis=Basis.MEASURED, formula=_told(term, off, said))


def _told(term: Term, off: int, said: Statement) -> str:
    says = f"{off // MIB:+} MiB against ours for its question" if off else "the same"
    return f"{term.formula}\n{_source(said)}: {says}"


def _source(said: Statement) -> str:
    return f"llama-fit-params {said.build}"
