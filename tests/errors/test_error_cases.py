"""Every mistake in a file of its own: NAME.yaml, and in NAME.out what the user is told.

To add a case, write NAME.yaml and run `pytest tests/errors --snapshot-update`; then read NAME.out as the
person who made the mistake. Cases use the engines of tests/support/fake_engine.py; those in the folder
`real` use the ones of the program.
"""

import re
from pathlib import Path

import pytest

from stackgen.registry import engines, platforms
from stackgen.report.diagnostics import show
from tests.support.reading import findings

CASES = sorted(Path(__file__).parent.rglob("*.yaml"))
SNAPSHOTS = sorted(Path(__file__).parent.rglob("*.out"))
UPDATE = "pytest tests/errors --snapshot-update"


def told(case: Path) -> str:
    """What the terminal shows."""
    text = case.read_bytes().decode()
    if case.parent.name == "real":
        source, found = findings(text, engines=engines(), platforms=platforms(), name=case.name)
    else:
        source, found = findings(text, name=case.name)
    return show(found, source, width=100, color=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_message(case: Path, request: pytest.FixtureRequest) -> None:
    out, text = case.with_suffix(".out"), told(case)
    if request.config.getoption("--snapshot-update"):
        out.write_text(text, encoding="utf-8", newline="\n")
    assert text, f"nothing is wrong with {case.name}"
    assert out.exists(), f"{out.name} is missing: {UPDATE}"
    assert text == out.read_text(encoding="utf-8"), (
        f"what {case.name} tells has changed; if that is meant: {UPDATE}"
    )


def test_no_stale_snapshots(request: pytest.FixtureRequest) -> None:
    stale = [out for out in SNAPSHOTS if not out.with_suffix(".yaml").exists()]
    if request.config.getoption("--snapshot-update"):
        for out in stale:
            out.unlink()
    assert not [out.name for out in stale if out.exists()], f"no case has these: {UPDATE}"


def test_every_kind_has_a_case() -> None:
    program = Path(__file__).parent.parent.parent / "stackgen"
    sources = [*(program / "spec").glob("*.py"), *(program / "domain").glob("*.py")]
    written = {
        kind
        for source in sources
        for kind in re.findall(r'"((?:spec|link|allow)/[a-z-]+[a-z])"', source.read_text("utf-8"))
    }
    told = set(re.findall(r"\[([a-z-]+/[a-z-]+)\]", "".join(out.read_text("utf-8") for out in SNAPSHOTS)))
    elsewhere = {"spec/no-models"}  # told by real engines
    assert written - elsewhere <= told
