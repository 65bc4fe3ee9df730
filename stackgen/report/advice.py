"""What would make a plan fit, for people: a block for each set of residents that does not fit together."""

from collections.abc import Iterator

from stackgen.domain.plan import Advice, Plan, Shortfall
from stackgen.domain.units import show_size
from stackgen.report.page import Page


def block(plan: Plan, page: Page) -> list[str]:
    """The ways out of every shortfall; nothing when all fits."""
    if not plan.shortfalls:
        return []
    several = len(plan.shortfalls) > 1
    head = f"  what would make it fit: any one of these{', in each group' if several else ''}"
    lines = [page.style(head, "bold")]
    for shortfall in plan.shortfalls:
        lines += _group(shortfall, page)
    return lines


def _group(shortfall: Shortfall, page: Page) -> Iterator[str]:
    gpus = ", ".join(map(str, shortfall.gpus))
    who = " + ".join(shortfall.residents)
    text = f"  {who} on {shortfall.host} GPU {gpus}, {show_size(shortfall.lacks)} too much"
    yield from page.wrapped(text, "    ")
    if not shortfall.ways:
        text = "    nothing here is enough: smaller weights (another quantization or model), or more GPUs"
        yield from page.wrapped(text, "    ")
    for way in shortfall.ways:
        yield from _way(way, page)


def _way(way: Advice, page: Page) -> Iterator[str]:
    place = f" (in {way.at})" if way.at else ""
    change, *rest = page.wrapped(f"    - {way.change}{place}", "      ")
    yield page.style(change, "green")
    yield from (page.style(line, "green") for line in rest)
    text = f"      saves {show_size(way.saves)}; {way.price}"
    yield from (page.style(line, "dim") for line in page.wrapped(text, "      "))
