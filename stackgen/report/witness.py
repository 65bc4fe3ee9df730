"""The engine's figures beside ours, for people and as JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from stackgen.domain.witness import TERMS, TOLERANCE, Comparison, Place, Usage
from stackgen.report.page import Page, columns


def show(comparisons: Sequence[Comparison], page: Page) -> str:
    """A table for each model, and once what both sides were asked otherwise than llama-server would be."""
    blocks = ["\n".join(_table(compared, page)) for compared in comparisons]
    apart = list(dict.fromkeys(text for compared in comparisons for text in compared.left_out))
    if apart:
        text = f"both were asked what the tool can answer, otherwise than llama-server: {'; '.join(apart)}"
        blocks.append("\n".join(page.style(line, "dim") for line in page.wrapped(text)))
    return "\n\n".join(blocks) + "\n"


def _table(compared: Comparison, page: Page) -> list[str]:
    """One row per place: for each term our MiB, the engine's, and the difference."""
    rows = [["MiB", *(word for term in TERMS for word in (term, "engine", "off"))]]
    rows += [[place.name, *_cells(place)] for place in compared.places]
    head, *body = columns(rows, right=range(1, len(rows[0])))
    styles = ["yellow" if place.differs else "" for place in compared.places]
    asked = page.wrapped(f"  asked: {' '.join(compared.asked)}", "    ")
    return [
        page.style(f"{compared.label}: ours beside llama-fit-params {compared.build}", "bold"),
        page.style(head, "dim"),
        *(page.style(line, style) for line, style in zip(body, styles, strict=True)),
        *page.wrapped(f"  {_verdict(compared)}", "    "),
        *(page.style(line, "dim") for line in asked),
    ]


def _cells(place: Place) -> Iterator[str]:
    ours = place.ours.values if place.ours else (None,) * len(TERMS)
    off = place.differences or (None,) * len(TERMS)
    for mine, theirs, difference in zip(ours, place.engine.values, off, strict=True):
        yield from ("-" if mine is None else str(mine), str(theirs))
        yield "-" if difference is None else f"{difference:+}" if difference else "0"


def _verdict(compared: Comparison) -> str:
    if compared.why_not:
        return f"no figures of ours: {compared.why_not}"
    return f"{'not ' if compared.differs else ''}all within {TOLERANCE} MiB"


def as_dict(compared: Comparison) -> dict[str, Any]:
    """Plain data; sizes in MiB, rounded down, for that is how the engine prints them."""
    places = [
        {"place": p.name, "ours": _terms(p.ours) if p.ours else None, "engine": _terms(p.engine)}
        for p in compared.places
    ]
    return {
        "build": compared.build,
        "unit": "MiB",
        "asked": list(compared.asked),
        "differs": compared.differs,
        "places": places,
    }


def _terms(usage: Usage) -> dict[str, int]:
    return dict(zip(TERMS, usage.values, strict=True))
