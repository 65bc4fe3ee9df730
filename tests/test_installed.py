"""A wheel, installed somewhere else, finds its templates and tables, and renders."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.cli import ROOT


@pytest.mark.tool
def test_a_wheel_renders_an_example(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    templates = {p.relative_to(ROOT / "templates") for p in (ROOT / "templates").rglob("*") if p.is_file()}
    assert templates == {
        p.relative_to(site / "stackgen/_templates")
        for p in (site / "stackgen/_templates").rglob("*")
        if p.is_file()
    }
    script = (
        "import stackgen, sys; assert stackgen.__file__.startswith(sys.argv.pop(1)), stackgen.__file__\n"
        "from stackgen.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, site, "render", ROOT / "stacks" / "two-3090s", "-o", tmp_path / "out"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=str(site)),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").rglob("compose.yaml"))
