"""Each decision has a number of its own, and the pages that name one name the right one."""

import re
from pathlib import Path

import pytest

from tests.support.cli import ROOT

DECISIONS = sorted((ROOT / "docs/adr").glob("0*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_they_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_the_heading_has_the_number_of_the_file(page: Path) -> None:
    assert page.read_text("utf-8").startswith(f"# {int(page.name[:4])}. ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_name_the_right_one(page: Path) -> None:
    for number, target in re.findall(r"\[ADR (\d+)\]\(([^)#]+)", page.read_text("utf-8")):
        assert int((page.parent / target).name[:4]) == int(number)
        assert (page.parent / target).is_file()
