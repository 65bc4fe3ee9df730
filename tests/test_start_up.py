"""What a plan imports: nothing for engines, platforms and formats that the stack does not name."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from stackgen.app import load
from tests.support.cli import ROOT

EXAMPLES = sorted(path.parent for path in (ROOT / "stacks").glob("*/stack.yaml"))
PROGRAM = """
import contextlib, io, sys
sys.argv = ["stackgen", "plan", sys.argv[1]]
from stackgen.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(*sys.modules)
"""
FOR_FILES = {"stackgen.domain.workload", "stackgen.domain.document", "stackgen.domain.site"}
"""What is rendered: a plan writes no file."""
OTHER_COMMANDS = {"stackgen.app.fitting", "stackgen.app.resolving", "stackgen.app.calibration"}
SLOW = {"jinja2", "huggingface_hub", "httpx", "httpx2", "rich", "asyncio"}


@cache
def imported(stack: Path) -> frozenset[str]:
    """Modules that `stackgen plan` of a stack imports."""
    run = subprocess.run([sys.executable, "-c", PROGRAM, stack], capture_output=True, text=True, cwd=ROOT)
    names = frozenset(run.stdout.split())
    assert "stackgen.plan.solve" in names, run.stderr
    return names


def below(package: str, names: frozenset[str]) -> set[str]:
    """The engines or targets among modules, by their names in stack.yaml."""
    parts = [name.removeprefix(package).split(".")[0] for name in names if name.startswith(package)]
    return {part.replace("_", "-") for part in parts}


@pytest.mark.parametrize("stack", EXAMPLES, ids=lambda path: path.name)
def test_a_plan_imports_only_what_its_stack_names(stack: Path) -> None:
    linked, names = load(stack).stack, imported(stack)
    assert below("stackgen.engines.", names) <= {s.engine for s in linked.services.values()}
    assert below("stackgen.targets.", names) == {host.platform for host in linked.hosts.values()}
    assert not names & (FOR_FILES | OTHER_COMMANDS | SLOW)
