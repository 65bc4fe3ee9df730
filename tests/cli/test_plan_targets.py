"""`plan --targets` says what rendering would refuse; the plain plan does not look."""

import json
from pathlib import Path

import pytest

from tests.support.cli import STACKS, stackgen

UNREACHABLE = """\
version: 1
name: home
hosts: {a: {platform: compose}, b: {platform: compose}}
services:
  search: {engine: searxng, host: a, options: {secret: {secret: {name: searxng}}}}
  chat:
    engine: open-webui
    host: b
    uses: {search: search}
    options: {webui_secret_key: {secret: {name: chat}}}
"""


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    tmp_path.joinpath("stack.yaml").write_text(UNREACHABLE)
    return tmp_path


def test_only_when_asked(stack: Path) -> None:
    assert stackgen("plan", stack).status == 0
    run = stackgen("plan", stack, "--targets")
    assert run.status == 1
    assert "render/unreachable" in run.out + run.err
    assert not [file for file in stack.iterdir() if file.name != "stack.yaml"]


def test_as_json_at_their_lines(stack: Path) -> None:
    found = json.loads(stackgen("plan", stack, "--targets", "--format", "json").out)["diagnostics"]
    [refused] = [d for d in found if d["kind"] == "render/unreachable"]
    assert (refused["severity"], refused["line"]) == ("error", 9)


def test_what_the_owner_allows_is_a_note(stack: Path) -> None:
    allowed = "allow: [{kind: render/unreachable, reason: it has another way}]\n"
    stack.joinpath("stack.yaml").write_text(UNREACHABLE + allowed)
    assert stackgen("plan", stack, "--targets").status == 0


def test_examples_have_nothing_that_is_refused() -> None:
    for example in sorted(STACKS.glob("*/stack.yaml")):
        run = stackgen("plan", example, "--targets")
        assert run.status == 0, run.out + run.err
