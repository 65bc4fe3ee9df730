"""The documents cannot lie: what they show is what the program does, and their examples work."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackgen import registry
from stackgen.cli import output
from stackgen.cli.plan import PlanFormat
from stackgen.domain.diagnostic import Severity
from stackgen.domain.footprint import Basis, TermName
from stackgen.domain.plan import Verdict
from tests.support import docs
from tests.support.cli import ROOT, stackgen
from tests.support.kinds import kinds
from tests.support.snippets import Snippet, command_lines, planned, snippets, stacks

DOCS = sorted((ROOT / "docs").glob("*.md"))
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
NOT_AN_EXAMPLE = {"link/unused-model", "link/unused-volume", "link/unused-host", "facts/unknown-model"}
"""Warnings that parts of a stack may have when they are put into another."""

each_page = pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)


@each_page
def test_what_the_program_prints_is_what_is_shown(page: Path) -> None:
    text = page.read_text("utf-8")
    assert docs.refreshed(text) == text, f"refresh it: {docs.REFRESH}"


@pytest.mark.parametrize(
    ("snippet", "stack"),
    [
        pytest.param(snippet, stack, id=snippet.label)
        for page in (ROOT / "README.md", *DOCS)
        for snippet, stack in stacks(page)
    ],
)
def test_examples_plan_without_a_complaint(snippet: Snippet, stack: dict[str, Any], tmp_path: Path) -> None:
    found = [d for d in planned(stack, tmp_path).diagnostics if d.severity is not Severity.NOTE]
    assert [d for d in found if d.kind not in NOT_AN_EXAMPLE] == []


@each_page
def test_every_block_of_yaml_is_an_example_of_something(page: Path) -> None:
    known = {"yaml", "yaml wrong", "yaml ci", "yaml kustomization", "yaml rendered"}
    assert {s.info for s in snippets(page) if s.info.startswith(("yaml", "yml"))} <= known


@each_page
def test_blocks_for_ci_are_yaml(page: Path) -> None:
    for snippet in snippets(page):
        if snippet.info == "yaml ci":
            assert isinstance(yaml.safe_load(snippet.text), dict), snippet.label


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, id=label)
        for page in (ROOT / "README.md", *DOCS)
        for label, words in command_lines(page)
    ],
)
def test_commands_are_ones_that_there_are(words: list[str]) -> None:
    name, *rest = words
    flags = {word.partition("=")[0] for word in (rest[: rest.index("--")] if "--" in rest else rest)}
    helped = stackgen(name, "--help")
    assert helped.status == 0, helped.err
    assert {f for f in flags if f.startswith("-")} - set(
        re.findall(r"(?<![\w-])-{1,2}[a-z-]+", helped.out)
    ) == set()


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS, *DECISIONS], ids=lambda p: p.name
)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        there = page.parent / file if file else page
        assert there.exists(), target
        headings = re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
    for file in re.findall(
        r"`(docs/[\w./-]+|scripts/[\w-]+|tests/[\w./]+\.py|stacks/[\w./-]+|stackgen/[\w./-]+)`", text
    ):
        assert (ROOT / file).exists(), file


def test_each_decision_has_a_number_and_is_listed() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text("utf-8")
    pages = [page for page in DECISIONS if page.name != "README.md"]
    for number, page in enumerate(pages, start=1):
        title = page.read_text("utf-8").partition("\n")[0]
        assert title.startswith(f"# {number}. "), page.name
        assert page.name.startswith(f"{number:04}-")
        assert f"{number}. [{title.partition('. ')[2]}]({page.name})\n" in index


def test_severities_of_kinds_are_those_of_the_code() -> None:
    rows = re.findall(
        r"^\| `([a-z0-9/-]+)` \| ([a-z, ]+) \|", (ROOT / "docs" / "kinds.md").read_text("utf-8"), re.MULTILINE
    )
    written = {kind: set(severities.split(", ")) for kind, severities in rows}
    found = {kind: severities for kind, severities in kinds().items() if severities}
    assert len(found) > 100
    assert {kind: written.get(kind) for kind in found} == found


@pytest.mark.parametrize("page", ["engines.md", "targets.md"])
def test_no_engine_and_no_target_is_left_out(page: str) -> None:
    names = registry.engine_names() if page == "engines.md" else registry.target_names()
    text = (ROOT / "docs" / page).read_text("utf-8")
    headings = {h.strip("`") for h in re.findall(r"^## (\S+)", text, re.MULTILINE)}
    assert set(names) <= headings


def cells(page: str, section: str, column: int = 0) -> list[str]:
    """What stands in code in one column of the first table of a section."""
    text = (ROOT / "docs" / page).read_text("utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    table = re.split(r"^\|[-|]+\|$", text, maxsplit=1, flags=re.MULTILINE)[1].lstrip("\n").split("\n\n")[0]
    rows = table.splitlines()
    return [word for row in rows for word in re.findall(r"[\w-]+", row.split(" | ")[column].strip("| "))]


def test_tables_about_plans_are_whole() -> None:
    assert set(cells("plan.md", "The verdict")) == {verdict.value for verdict in Verdict}
    assert set(cells("plan.md", "Bases")) == {basis.value for basis in Basis}
    assert set(cells("plan.md", "Terms", 1)) == {term.value for term in TermName}
    assert set(cells("plan.md", "Formats")) == {form.value for form in PlanFormat}
    statuses = {value for name, value in vars(output).items() if name.startswith("EXIT_")}
    assert set(map(int, cells("plan.md", "Exit statuses"))) == {0, *statuses}


def test_what_targets_refuse_is_told() -> None:
    text = (ROOT / "docs" / "targets.md").read_text("utf-8")
    assert all(f"`{name}`" in text for name in registry.platforms())
    areas = tuple(f"{name}/" for name in registry.platforms())
    rejected = {kind for kind in kinds() if kind.startswith(areas)} - {
        kind for kind, severities in kinds().items() if "error" not in severities
    }
    assert rejected <= set(re.findall(r"`([a-z]+/[a-z-]+)`", text))
