"""`stackgen switch`: another service is up, by one command and a commit."""

from pathlib import Path

import pytest
import yaml

from tests.support.cli import STACKS, stackgen


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    text = (STACKS / "one-5070ti" / "stack.yaml").read_text("utf-8")
    file = tmp_path / "stack.yaml"
    # By a chart, the number of replicas stands elsewhere.
    file.write_text(text.replace("charts: {ollama: {}}", "charts: {}"), "utf-8")
    return file


def replicas(stack: Path) -> dict[str, int]:
    out = stack.parent / "out"
    assert stackgen("render", stack, "-o", out).status == 0
    files = out.glob("kubernetes/*/deployment.yaml")
    return {file.parent.name: yaml.safe_load(file.read_text("utf-8"))["spec"]["replicas"] for file in files}


def test_it_changes_over_and_back(stack: Path) -> None:
    before = stack.read_text("utf-8")
    assert replicas(stack) == {"ollama": 1, "comfyui": 0}
    done = stackgen("switch", "comfyui", stack)
    assert (done.status, done.out) == (0, "")
    assert "in place of ollama" in done.err
    assert f"stackgen render {stack}" in done.err
    assert replicas(stack) == {"ollama": 0, "comfyui": 1}
    assert stackgen("switch", "ollama", stack).status == 0
    assert stack.read_text("utf-8") == before


def test_who_is_up_already_changes_nothing(stack: Path) -> None:
    before = stack.stat()
    done = stackgen("switch", "ollama", stack)
    assert (done.status, "is up already" in done.err) == (0, True)
    assert stack.stat().st_mtime_ns == before.st_mtime_ns


def test_the_line_ends_and_the_mode_of_the_file_stay(stack: Path) -> None:
    text = stack.read_text("utf-8")
    stack.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    stack.chmod(0o640)
    assert stackgen("switch", "comfyui", stack).status == 0
    found = stack.read_bytes()
    assert found.startswith(b"\xef\xbb\xbf")
    assert found.count(b"\r\n") == found.count(b"\n") == text.count("\n")
    assert stack.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in stack.parent.iterdir()] == ["stack.yaml"]


@pytest.mark.parametrize(
    ("service", "said", "hint"),
    [
        ("comfyu", "takes turns with nobody", "did you mean"),
        ("nobody", "takes turns with nobody", "these do:"),
    ],
)
def test_a_service_of_no_group_is_refused(stack: Path, service: str, said: str, hint: str) -> None:
    done = stackgen("switch", service, stack)
    assert done.status == 2
    assert said in done.err
    assert hint in done.err


def test_where_no_order_means_anything_it_says_who_knows(tmp_path: Path) -> None:
    done = stackgen("switch", "tabbyapi", STACKS / "nixos-box")
    assert done.status == 2
    assert "platform: nixos" in done.err
    assert "at the head of" in done.err
