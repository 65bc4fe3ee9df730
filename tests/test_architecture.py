"""Rules about the code itself that no linter has."""

import re
from pathlib import Path

import pytest

from tests.support.cli import ROOT
from tests.support.kinds import MODULES, composed, kinds


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300, "look for the seam"


def test_every_kind_of_finding_is_documented() -> None:
    documented = re.findall(
        r"^\| `([a-z0-9/-]+)` \|", (ROOT / "docs" / "kinds.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(documented) == len(set(documented)), "one row for each"
    assert kinds().keys() - set(documented) == set(), "add them to docs/kinds.md"
    assert set(documented) - kinds().keys() == set(), "these do not exist any more"


def test_kinds_are_written_out_where_they_are_used() -> None:
    assert composed() == set(), "nobody can look such a kind up"
