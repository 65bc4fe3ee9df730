"""How far each architecture's figures are from the engine's, from the cases of tests/oracle."""

from collections.abc import Iterator
from dataclasses import dataclass

from stackgen.facts.families.traits import traits_of
from stackgen.memory.explained import NOT_MODELLED
from stackgen.memory.llama import UNCHECKED_PERCENT
from tests.support.oracle import BATCHES, cases, facts_of, percentile, score
from tests.support.reference import table

STEPS = (0.01, 0.1, 0.5, 2)
"""Errors of a GPU's total, in per cent, that the table tells apart."""


@dataclass
class Verified:
    """One architecture."""

    cases: int = 0
    worst: float = 0
    """Of a GPU's total, in per cent."""


def by_architecture() -> dict[str, Verified]:
    """Every architecture that has cases."""
    found: dict[str, Verified] = {}
    for batch in BATCHES:
        for case in cases(batch):
            found.setdefault(facts_of(case.header.stem).architecture, Verified()).cases += 1
        for error, place in score(batch)[0].errors:
            one = found[facts_of(place.split()[1]).architecture]
            one.worst = max(one.worst, error)
    return found


def architectures() -> str:
    """The table of docs/memory.md."""
    found = sorted(by_architecture().items())
    checked = [(name, one) for name, one in found if "checked" in traits_of(name)]
    rows = list(_rows(checked))
    rest = [(name, one) for name, one in found if "checked" not in traits_of(name)]
    rows.append(
        (
            f"more; not counted as checked, bound {UNCHECKED_PERCENT} % above the buffer",
            _listed(rest, worst=True),
        )
    )
    rows.append(("no figure", ", ".join(f"`{name}` ({why})" for name, why in sorted(NOT_MODELLED.items()))))
    return table(("worst error of a GPU's total", "architectures (cases)"), rows)


def _rows(checked: list[tuple[str, Verified]]) -> Iterator[tuple[str, str]]:
    below = -1.0
    for step in STEPS:
        members = [(name, one) for name, one in checked if below < one.worst <= step]
        if members:
            yield f"up to {step} %", _listed(members)
        below = step


def _listed(members: list[tuple[str, Verified]], *, worst: bool = False) -> str:
    return ", ".join(
        f"`{name}` ({one.cases}{f': {one.worst:.1f} %' if worst else ''})" for name, one in members
    )


def summary() -> str:
    """The sentences of README.md."""
    found = by_architecture()
    checked = {name: one for name, one in found.items() if "checked" in traits_of(name)}
    errors = [error for batch in BATCHES for error in score(batch)[0].errors]
    lines = sum(one.cases for one in found.values())
    headers = {case.header.stem for batch in BATCHES for case in cases(batch)}
    return (
        f"Every test run compares it with the engine's own answers for {lines} command lines over {len(headers)} "
        f"models of {len(found)} architectures.\nWeights, caches and states agree in each of "
        f"them to the MiB. Of {len(errors)} places 95 in 100 are off by no more than {percentile(errors, 95):.2f} % of "
        f"their total,\nand those of the {len(checked)} architectures that count as checked by "
        f"{max(one.worst for one in checked.values()):.1f} % at most. The bound of the others is wider."
    )
