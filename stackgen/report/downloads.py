"""What must be on the volumes before a plan can run."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from stackgen.domain.plan import Plan
from stackgen.domain.units import show_duration, show_size
from stackgen.report.page import Page, columns

if TYPE_CHECKING:
    from stackgen.domain.workload import Download


def block(plan: Plan, page: Page) -> list[str]:
    """A line for each locked model, and below them what the volume takes; nothing when nothing is locked."""
    if not plan.downloads:
        return []
    rows = [["downloads", "takes", "in", "volume", "has room for"]]
    for volume, found in groupby(plan.downloads, key=lambda download: download.volume):
        here = list(found)
        room = plan.stack.volumes[volume].size
        rows += [[d.model, show_size(d.size), _time(plan, [d]), volume, ""] for d in here]
        total = show_size(sum(download.size for download in here))
        rows[-len(here)][-1] = "not told" if room is None else show_size(room)
        if len(here) > 1:
            rows.append(["together", total, _time(plan, here), volume, ""])
    if not any(row[2] for row in rows[1:]):
        rows = [[*row[:2], *row[3:]] for row in rows]
    head, *body = columns(rows, right=(1, *range(2, len(rows[0]) - 2), len(rows[0]) - 1))
    return [page.style(head, "dim"), *body]


def _time(plan: Plan, downloads: "Sequence[Download]") -> str:
    """How long these take one after another, on the slowest of the hosts whose rate is known."""
    hosts = {name for download in downloads for name in download.hosts}
    rates = [rate for name in hosts if (rate := plan.stack.stack.hosts[name].download_rate)]
    return show_duration(sum(download.size for download in downloads) / min(rates)) if rates else ""
