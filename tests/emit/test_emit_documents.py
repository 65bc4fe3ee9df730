"""Any document becomes text, with its header as a comment of its syntax."""

import json
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

import stackgen
from stackgen.domain.document import Directive, Document, Format, Template
from stackgen.emit import EmitError, to_text

HEADER = ("made from stack.yaml", "", "yaml-language-server: $schema=a.json")
COMMENT = "# made from stack.yaml\n#\n# yaml-language-server: $schema=a.json\n"


def document(format_: Format, body: Any, header: tuple[str, ...] = HEADER) -> Document:
    return Document(path=PurePosixPath("a"), format=format_, body=body, header=header)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run.sh").write_text("#!/bin/sh\nexec {{ a }}\n")
    (tmp_path / "source.sh").write_text("exec {{ a }}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("format_", "body", "text"),
    [
        (Format.YAML, {"a": 1}, f"{COMMENT}a: 1\n"),
        (Format.JSON, {"a": 1}, '{\n  "a": 1\n}\n'),
        (Format.INI, {"a": {"b": 1}}, f"{COMMENT}[a]\nb = 1\n"),
        (Format.NIX, {"a": 1}, f"{COMMENT}{{\n  a = 1;\n}}\n"),
        (Format.UNIT, {"Unit": {"A": "b"}}, f"{COMMENT}[Unit]\nA=b\n"),
        (Format.ENV, {"A": "b"}, f"{COMMENT}A=b\n"),
        (
            Format.CADDYFILE,
            (Directive(("a.lan",), (Directive(("abort",)),)),),
            f"{COMMENT}a.lan {{\n\tabort\n}}\n",
        ),
        (Format.SHELL, Template("run.sh", (("a", "b"),)), f"#!/bin/sh\n{COMMENT}exec b\n"),
        (Format.SHELL, Template("source.sh", (("a", "b"),)), f"{COMMENT}exec b\n"),
        (Format.TEXT, Template("run.sh", (("a", "b"),)), "#!/bin/sh\nexec b\n"),
    ],
)
def test_every_format_has_an_emitter(format_: Format, body: Any, text: str, folder: Path) -> None:
    assert to_text(document(format_, body), folder) == text


def test_the_cases_above_cover_every_format() -> None:
    [cases] = [mark for mark in test_every_format_has_an_emitter.pytestmark if mark.name == "parametrize"]
    assert {case[0] for case in cases.args[1]} == set(Format)


@pytest.mark.parametrize("line", ["a\nb: 1", "\r", "\x00", "\x85", "\u2028", "\ud800", "\ufeff"])
def test_a_header_cannot_leave_its_comment(line: str) -> None:
    with pytest.raises(EmitError, match="one line") as caught:
        to_text(document(Format.YAML, {"a": 1}, ("good", line)))
    assert caught.value.path == ("header", 1)


def test_a_header_may_hold_any_other_text() -> None:
    assert yaml.safe_load(to_text(document(Format.YAML, {"a": 1}, ("é: '#\\ 😀\u200b",)))) == {"a": 1}


@pytest.mark.parametrize(
    ("format_", "body", "slow"),
    [("YAML", {"a": [1, "no"]}, ("jinja2", "ruamel.yaml", "importlib.resources")), ("JSON", {}, ("jinja2",))],
)
def test_emitters_do_not_import_what_they_do_not_need(format_: str, body: Any, slow: tuple[str, ...]) -> None:
    program = (
        "import sys, json; from pathlib import PurePosixPath\n"
        "from stackgen.domain.document import Document, Format; from stackgen.emit import to_text\n"
        f"to_text(Document(path=PurePosixPath('a'), format=Format.{format_}, body={body!r}))\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    root = Path(stackgen.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, check=True)
    assert not set(slow) & set(json.loads(done.stdout))
