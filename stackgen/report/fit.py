"""What fits, for people and for programs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from stackgen.domain.fit import Fit, Fits
from stackgen.domain.footprint import Basis
from stackgen.domain.units import GIB, show_size
from stackgen.report.page import Page, columns

JSON_VERSION = 1


def show(found: Iterable[Fits], page: Page, *, alone: bool) -> str:
    """A table for each model; `alone`: there is no stack to write the best into yet."""
    return "\n".join("".join(f"{line}\n" for line in _one(fits, page, alone=alone)) for fits in found)


def _one(fits: Fits, page: Page, *, alone: bool) -> Iterator[str]:
    name = fits.model if alone else f"{fits.service}/{fits.use}"
    head = f"{name} on {fits.host + ': ' if not alone else ''}{_cards(fits.gpus)}"
    yield from (page.style(line, "bold") for line in page.wrapped(head))
    text = f"wanted: {fits.context} tokens of context; trained on {fits.trained}"
    beside = f", beside {', '.join(fits.others)}" if fits.others else ""
    yield from (page.style(line, "dim") for line in page.wrapped(text + beside))
    yield ""
    if not fits.rows:
        least = (
            f": the smallest weights that were tried take {show_size(fits.smallest)}" if fits.smallest else ""
        )
        yield from page.wrapped(f"nothing fits{least}")
        return
    head, *body = _table(fits.rows)
    yield page.style(head[: page.width], "dim")
    for row, line in zip(fits.rows, body, strict=True):
        yield page.style(line[: page.width], "" if row.context >= fits.context else "yellow")
    if any(row.context < fits.context for row in fits.rows):
        yield page.style("  contexts shorter than wanted come last", "dim")
    if any(row.experts_on_host for row in fits.rows):
        text = "  n_cpu_moe: blocks whose experts are read from main memory, which makes answers slower"
        yield from (page.style(line, "dim") for line in page.wrapped(text))
    if any(row.basis is Basis.CATALOG for row in fits.rows):
        yield page.style("  weights: as the built-in catalog knows them", "dim")
    yield ""
    yield from _writing(fits, page, alone=alone)


def _cards(names: Sequence[str]) -> str:
    counted = dict.fromkeys(names, 0)
    for name in names:
        counted[name] += 1
    return " + ".join(f"{count} x {name}" if count > 1 else name for name, count in counted.items())


def _table(rows: Sequence[Fit]) -> list[str]:
    offloaded = any(row.experts_on_host for row in rows)
    cells = [
        [
            "quantization",
            "weights",
            "cache",
            "context",
            *(["n_cpu_moe", "main memory"] if offloaded else []),
            "free",
        ]
    ]
    for row in rows:
        experts = str(row.experts_on_host or "-")
        free = " + ".join(f"{size / GIB:.1f}" for size in row.left) + " GiB"
        more = [experts, show_size(row.ram)] if offloaded else []
        weights = show_size(row.weights)
        cells.append([row.quantization or "as it is", weights, row.cache_type, str(row.context), *more, free])
    return columns(cells, right=(1, 3, 4, 5) if offloaded else (1, 3))


def _writing(fits: Fits, page: Page, *, alone: bool) -> Iterator[str]:
    """What to write for the first row."""
    best = fits.rows[0]
    settings = ", ".join(written(best))
    if alone:
        gpus = " ".join(f"--gpu {name}" for name in fits.gpus)
        yield from page.wrapped(f"the first of them: {settings}")
        yield from page.wrapped(f"`stackgen init {gpus}` begins a stack for these cards")
        return
    yield from page.wrapped(f"the first of them, under services.{fits.service}.models.{fits.use}: {settings}")
    if best.quantization:
        yield from page.wrapped(f"and under models.{fits.model}, the quantization {best.quantization}")


def written(row: Fit) -> tuple[str, ...]:
    """Options of a row as stack.yaml has them; the context is always named."""
    context = f"context: {row.context}"
    return (context, *(s for s in row.settings if s != context))


def as_json(found: Iterable[Fits]) -> dict[str, Any]:
    """The answers as plain data; sizes in bytes."""
    return {"version": JSON_VERSION, "fits": [_dict(fits) for fits in found]}


def _dict(fits: Fits) -> dict[str, Any]:
    return {
        "service": fits.service,
        "model": fits.use,
        "host": fits.host,
        "gpus": list(fits.gpus),
        "context": fits.context,
        "trained": fits.trained,
        "beside": list(fits.others),
        "rows": [
            {
                "quantization": row.quantization,
                "weights": row.weights,
                "basis": row.basis.value,
                "cache_type": row.cache_type,
                "context": row.context,
                "n_cpu_moe": row.experts_on_host,
                "options": ", ".join(written(row)),
                "free": list(row.left),
                "ram": row.ram,
            }
            for row in fits.rows
        ],
    }
