"""What must be on the volumes before a plan can run."""

from itertools import groupby

from stackgen.domain.plan import Plan
from stackgen.domain.units import show_size
from stackgen.report.page import Page, columns


def block(plan: Plan, page: Page) -> list[str]:
    """A line for each locked model, and below them what the volume takes; nothing when nothing is locked."""
    if not plan.downloads:
        return []
    rows = [["downloads", "takes", "volume", "has room for"]]
    for volume, found in groupby(plan.downloads, key=lambda download: download.volume):
        here = list(found)
        room = plan.stack.volumes[volume].size
        rows += [[download.model, show_size(download.size), volume, ""] for download in here]
        total = show_size(sum(download.size for download in here))
        rows[-len(here)][-1] = "not told" if room is None else show_size(room)
        if len(here) > 1:
            rows.append(["together", total, volume, ""])
    head, *body = columns(rows, right=(1, 3))
    return [page.style(head, "dim"), *body]
