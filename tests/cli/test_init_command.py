"""`stackgen init`: the file that it writes plans at once, on every platform and for every kind of machine."""

import re
from pathlib import Path

import pytest

from stackgen import app, registry
from stackgen.app.loading import read_text
from stackgen.domain.diagnostic import Severity
from stackgen.domain.plan import Plan, Verdict
from tests.support.cli import stackgen

PLAIN = {"PATH": "/usr/bin:/bin"}


def planned(file: Path) -> Plan:
    _, stack = read_text(str(file), file.read_text())
    return app.plan(stack)


def warnings(plan: Plan) -> list[str]:
    return [d.kind for d in plan.diagnostics if d.severity is not Severity.NOTE]


@pytest.mark.parametrize(
    ("gpus", "model"),
    [
        (["rtx-3090", "rtx-4070-ti"], "Qwen3-30B-A3B-Instruct-2507-GGUF:Q6_K"),
        (["rtx-4060-ti-16gb"], "gpt-oss-20b-GGUF:MXFP4"),
        (["rtx-3060"], "Qwen3-4B-Instruct-2507-GGUF:Q8_0"),
        (["rx-7900-xtx"], "Qwen3-30B-A3B-Instruct-2507-GGUF:Q4_K_M"),
        (["23.5GiB"], "Qwen3-30B-A3B-Instruct-2507-GGUF:Q4_K_M"),
    ],
)
def test_it_fits_and_nothing_is_to_be_complained_of(gpus: list[str], model: str, tmp_path: Path) -> None:
    done = stackgen("init", *(f"--gpu={gpu}" for gpu in gpus), "--ram", "64GB", cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    assert model in done.out
    assert "stackgen plan " in done.out
    plan = planned(tmp_path / "stack.yaml")
    assert (plan.verdict, warnings(plan)) == (Verdict.FITS, [])


@pytest.mark.parametrize("platform", sorted(registry.platforms()))
def test_every_platform_renders_it(platform: str, tmp_path: Path) -> None:
    done = stackgen("init", "--gpu", "rtx-3090", "--platform", platform, cwd=tmp_path)
    assert done.status == 0, done.err
    rendered = stackgen("render", "-o", "out", cwd=tmp_path)
    assert rendered.status == 0, rendered.err
    assert "error" not in rendered.err
    assert "warning" not in rendered.err


def test_the_page_that_it_proposes_works(tmp_path: Path) -> None:
    stackgen("init", "--gpu", "rtx-3090", cwd=tmp_path)
    file = tmp_path / "stack.yaml"
    before, proposed, after = file.read_text().partition("  # page:\n")
    block, rest = re.match(r"((?:  #   [^\n]*\n)*)(.*)", after, re.DOTALL).groups()  # type: ignore[union-attr]
    rest = rest.replace("# page-data", "page-data")
    file.write_text(before + (proposed + block).replace("  # ", "  ") + rest)
    plan = planned(file)
    assert set(plan.services) == {"llama", "page"}
    assert (plan.verdict, warnings(plan)) == (Verdict.FITS, [])


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text("mine")
    done = stackgen("init", "--gpu", "rtx-3090", cwd=tmp_path)
    assert done.status == 2
    assert "is there already, and is left as it is" in done.err
    assert (tmp_path / "stack.yaml").read_text() == "mine"
    other = stackgen("init", "other.yaml", "--gpu", "rtx-3090", cwd=tmp_path)
    assert other.status == 0
    assert "stackgen plan other.yaml" in other.out


def test_this_machine_is_asked(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    lines = "NVIDIA GeForce RTX 3090, 24576, 1\nNVIDIA Mystery 9000, 16384, 2000"
    program.write_text(f'#!/bin/sh\necho "{lines}"\n')
    program.chmod(0o755)
    done = stackgen("init", cwd=tmp_path, env={"PATH": f"{tmp_path}:{PLAIN['PATH']}"})
    assert done.status == 0, done.err
    text = (tmp_path / "stack.yaml").read_text()
    assert "gpus: [rtx-3090, {capacity: 15892MiB}]" in text
    assert re.search(r"\n    ram: \d+GiB\n", text)
    assert "GPU 1 (NVIDIA Mystery 9000) is not in the built-in table" in done.out
    assert "of GPU 1 2000 MiB are in use" in " ".join(done.out.split())


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    done = stackgen("init", folder, cwd=tmp_path, env=PLAIN)
    assert done.status == 0, done.err
    if "no GPU" in done.out:  # the machine of the tests may have one
        plan = planned(folder / "stack.yaml")
        assert (plan.verdict, warnings(plan)) == (Verdict.FITS, [])


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--gpu", "rtx-309"), "did you mean `rtx-3090`?"),
        (("--gpu", "rtx-3090:reserved=2GiB"), "such as rtx-3090:reserve=2GiB, for other programs"),
        (("--gpu", "rtx-3090:reserve=2"), "such as rtx-3090:reserve=2GiB, for other programs"),
        (("--gpu", "rtx-3090", "--platform", "composs"), "did you mean `compose`?"),
        (("nowhere/stack.yaml", "--gpu", "rtx-3090"), "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_told(arguments: tuple[str, ...], hint: str, tmp_path: Path) -> None:
    done = stackgen("init", *arguments, cwd=tmp_path)
    assert done.status == 2
    assert hint in done.err
    assert not list(tmp_path.iterdir())


def test_the_schema_that_it_names_is_there(tmp_path: Path) -> None:
    stackgen("init", "--gpu", "rtx-3090", cwd=tmp_path)
    schema = tmp_path / "stack.schema.json"
    assert "$schema=stack.schema.json" in (tmp_path / "stack.yaml").read_text().splitlines()[0]
    assert schema.read_text() == stackgen("schema", cwd=tmp_path).out
    schema.write_text("mine")
    assert stackgen("init", "other.yaml", "--gpu", "rtx-3090", cwd=tmp_path).status == 0
    assert schema.read_text() == "mine"


@pytest.mark.parametrize(
    ("gpu", "entry"),
    [
        ("rx-7900-xtx:reserve=2GiB", "{model: rx-7900-xtx, reserve: 2GiB}"),
        ("24GiB:reserve=512MiB", "{capacity: 24GiB, reserve: 512MiB}"),
    ],
)
def test_what_other_programs_take_can_be_told(gpu: str, entry: str, tmp_path: Path) -> None:
    done = stackgen("init", "--gpu", gpu, cwd=tmp_path)
    assert done.status == 0, done.err
    assert f"gpus: [{entry}]" in (tmp_path / "stack.yaml").read_text()
    assert ("rocm" in (tmp_path / "stack.yaml").read_text()) is gpu.startswith("rx")
    assert planned(tmp_path / "stack.yaml").verdict is Verdict.FITS
