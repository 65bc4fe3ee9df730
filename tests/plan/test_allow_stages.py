"""An accepted finding of a target is accepted when it is rendered, and no plan calls the entry unused."""

from pathlib import Path

from tests.support.cli import STACKS, stackgen


def test_a_target_finding_can_be_allowed(tmp_path: Path) -> None:
    text = (STACKS / "two-3090s" / "stack.yaml").read_text()
    exposed = text.replace("    publish: 3000", "    expose: {hostname: chat.example.org}\n    publish: 3000")
    assert exposed != text
    plain, allowed = tmp_path / "plain.yaml", tmp_path / "allowed.yaml"
    plain.write_text(exposed)
    allowed.write_text(
        exposed + "\nallow:\n  - {kind: render/expose-without-proxy, reason: a proxy of ours does it}\n"
    )
    told = " ".join(stackgen("render", plain, "-o", tmp_path / "a").err.split())
    assert ": warning: " in told
    assert "[render/expose-without-proxy]" in told
    quiet = " ".join(stackgen("render", allowed, "-o", tmp_path / "b").err.split())
    assert "(allowed: a proxy of ours does it)" in quiet
    assert ": warning: " not in quiet
    assert "allow/unused" not in stackgen("plan", allowed).err
