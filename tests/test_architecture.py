"""Rules about the code itself that no linter has."""

import ast
import re
from pathlib import Path

import pytest

from stackgen import registry
from tests.support.cli import ROOT

MODULES = sorted((ROOT / "stackgen").rglob("*.py"))
KIND = re.compile(r"[a-z][a-z0-9-]*/[a-z][a-z0-9-]*")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300, "look for the seam"


def test_every_engine_and_target_has_its_name() -> None:
    for name, engine in registry.engines().items():
        assert engine.name == name
        assert engine.summary
    for name, target in registry.targets().items():
        assert target.name == name
        assert target.summary


def test_start_up_imports_nothing_that_plan_does_not_need() -> None:
    import subprocess
    import sys

    code = (
        "import sys, contextlib, io\n"
        "sys.argv = ['stackgen', 'plan', 'stacks/two-3090s']\n"
        "from stackgen.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main()\n"
        "print(*sorted({'jinja2', 'huggingface_hub', 'httpx', 'httpx2', 'rich', 'asyncio'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.stdout.split() == [], run.stderr


def kinds_in(path: Path) -> set[str]:
    """String constants that look like a diagnostic's kind, given to a call as first argument or as `kind=`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        values = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "kind")]
        found |= {v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)}
    return {k for k in found if KIND.fullmatch(k)}


def test_every_kind_of_finding_is_documented() -> None:
    used = {kind for path in MODULES for kind in kinds_in(path)}
    documented = set(
        re.findall(r"^\| `([a-z0-9/-]+)` \|", (ROOT / "docs" / "kinds.md").read_text(), re.MULTILINE)
    )
    assert used - documented == set(), "add them to docs/kinds.md"
    assert documented - used == set(), "these do not exist any more"
