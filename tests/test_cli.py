"""The command line's contract: exit statuses, what goes to which stream, no traceback for a user's mistake."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.support.cli import ROOT, STACKS, stackgen

SCHEMA = json.loads((ROOT / "docs" / "plan.schema.json").read_text())
FITS = STACKS / "two-3090s"
FAILS = STACKS / "triple-3090" / "as-found.yaml"
WRONG = "version: 1\nname: x\nhosts: {a: {platform: compose, gpu: [rtx-3090]}}\n"


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "stack.yaml"
    path.write_text(WRONG)
    return path


def test_a_stack_that_fits() -> None:
    run = stackgen("plan", FITS)
    assert run.status == 0
    assert "two-3090s: fits" in run.out
    assert "Traceback" not in run.err


def test_a_stack_that_does_not_fit() -> None:
    run = stackgen("plan", FAILS)
    assert run.status == 1
    assert ": over-budget" in run.out
    assert "[plan/over-budget]" in run.err


def test_a_stack_that_is_wrong(wrong: Path) -> None:
    run = stackgen("plan", wrong)
    assert run.status == 1
    assert run.out == ""
    told = " ".join(run.err.split())
    assert f"{wrong}:3:32: error: unknown key `gpu`" in told
    assert "did you mean `gpus`?" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "nowhere.yaml"], "nowhere.yaml does not exist"),
        (["plan", "docs"], "there is no stack.yaml in docs"),
        (["plan", "--explain", "nobody", "stacks/two-3090s"], "nothing in the plan is called 'nobody'"),
        (["render", "--target", "nomad", "stacks/two-3090s"], "there is no target 'nomad'"),
        (["estimate", "nowhere.gguf", "-d", "24GiB"], "nowhere.gguf"),
        (["estimate", "tests/headers/llama-3.1-8b.gguf", "-d", "24 potatoes"], "'24 potatoes' is not a size"),
        (["estimate", "README.md", "-d", "24GiB"], "not a GGUF file"),
        (["estimate", "tests/headers/llama-3.1-8b.gguf", "--", "--frob", "1"], "no argument `--frob`"),
        (
            ["estimate", "tests/headers/llama-3.1-8b.gguf", "--", "-fa", "off", "-ctv", "q8_0"],
            "needs flash attention",
        ),
        (["plan", "--frobnicate"], "No such option"),
        (["frobnicate"], "No such command"),
    ],
)
def test_wrong_usage_is_status_2_and_has_a_message(arguments: list[str], message: str) -> None:
    run = stackgen(*arguments)
    assert run.status == 2
    assert message in run.err
    assert "Traceback" not in run.err


def test_json_is_the_contract_for_every_verdict(wrong: Path) -> None:
    for stack, verdict, status in ((FITS, "fits", 0), (FAILS, "over-budget", 1), (wrong, "invalid", 1)):
        run = stackgen("plan", stack, "--format", "json")
        assert run.status == status
        data = json.loads(run.out)
        jsonschema.validate(data, SCHEMA)
        assert data["verdict"] == verdict
        assert (verdict == "invalid") == (not data["gpus"])


def test_output_is_the_same_each_time_and_colourless_in_a_file() -> None:
    first, second = stackgen("plan", FITS), stackgen("plan", FITS)
    assert first == second
    assert "\x1b" not in first.out + first.err


def test_github_annotations_name_file_and_line(wrong: Path) -> None:
    run = stackgen("plan", wrong, "--format", "github")
    assert run.status == 1
    assert run.out.startswith(f"::error file={wrong},line=3,col=32")


def test_explain_prints_formulas() -> None:
    run = stackgen("plan", FITS, "--explain", "llama/gpt-oss-20b")
    assert run.status == 0
    assert "weights:" in run.out
    assert "kv:" in run.out


def test_render_check_diff_and_hand_edits(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert stackgen("render", FITS, "-o", out, "--check").status == 3
    assert not out.exists()
    assert stackgen("render", FITS, "-o", out).status == 0
    assert stackgen("render", FITS, "-o", out, "--check").status == 0
    again = stackgen("render", FITS, "-o", out)
    assert "up to date" in again.err
    presets = next(out.rglob("presets.ini"))
    original = presets.read_text()
    presets.write_text(original + "; by hand\n")
    refused = stackgen("render", FITS, "-o", out)
    assert refused.status == 1
    assert "Traceback" not in refused.err
    assert presets.read_text().endswith("; by hand\n")
    shown = stackgen("render", FITS, "-o", out, "--diff")
    assert "-; by hand" in shown.out
    assert stackgen("render", FITS, "-o", out, "--force").status == 0
    assert presets.read_text() == original


def test_a_stack_that_does_not_fit_is_not_rendered(tmp_path: Path) -> None:
    run = stackgen("render", FAILS, "-o", tmp_path / "out")
    assert run.status == 1
    assert not (tmp_path / "out").exists()


def test_estimate_of_a_header() -> None:
    run = stackgen(
        "estimate",
        "tests/headers/llama-3.1-8b.gguf",
        "-d",
        "rtx-3090",
        "--json",
        "--",
        "-c",
        "8192",
        "-np",
        "1",
    )
    assert run.status == 0
    data = json.loads(run.out)
    # 32 layers x 8192 cells x 8 heads x 128 elements x 2 (K and V) x 2 B = 1 GiB
    assert data["devices"][0]["context"] == 2**30


def test_the_schema_takes_the_examples() -> None:
    from ruamel.yaml import YAML

    run = stackgen("schema")
    assert run.status == 0
    validator = jsonschema.Draft202012Validator(json.loads(run.out))
    for path in sorted(STACKS.glob("*/stack.yaml")):
        validator.validate(YAML(typ="safe", pure=True).load(path.read_text()))
