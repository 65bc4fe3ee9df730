"""The examples in a document: YAML that must plan, and command lines that the program must know."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackgen import app
from stackgen.domain.plan import Plan
from stackgen.spec.source import read
from tests.support.cli import ROOT

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Snippet:
    """A fenced block; `info` is what stands behind its fence."""

    page: Path
    line: int
    info: str
    text: str

    @property
    def label(self) -> str:
        """For the names of tests."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def snippets(page: Path) -> Iterator[Snippet]:
    """All fenced blocks of a page."""
    text = page.read_text("utf-8")
    for match in _FENCE.finditer(text):
        yield Snippet(page, text.count("\n", 0, match.start()) + 1, match["info"].strip(), match["text"])


def stacks(page: Path) -> Iterator[tuple[Snippet, dict[str, Any]]]:
    """The YAML examples of a page as whole stacks: parts are put into the first complete one of language.md."""
    base = _complete(ROOT / "docs" / "language.md")
    for snippet in snippets(page):
        if snippet.info == "yaml":
            yield snippet, _merged(base, _data(snippet))


def _complete(page: Path) -> dict[str, Any]:
    return next(data for s in snippets(page) if s.info == "yaml" and "version" in (data := _data(s)))


def _data(snippet: Snippet) -> dict[str, Any]:
    data = read(snippet.label, snippet.text).data
    assert isinstance(data, dict), f"{snippet.label} is no part of a stack"
    return data


def _merged(base: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """A part in its place: entries of mappings are added or replaced, anything else is replaced."""
    if "version" in part:
        return dict(part)
    both = {k: {**base[k], **part[k]} for k in base.keys() & part.keys() if isinstance(base[k], dict)}
    return {**base, **part, **both}


def planned(stack: Mapping[str, Any], folder: Path) -> Plan:
    """The plan of a stack. Raises WrongStackError."""
    file = folder / "stack.yaml"
    file.write_text(json.dumps(stack), "utf-8")
    loaded = app.load(file)
    return app.plan(loaded.stack, loaded.lock)


def command_lines(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Every line with a call of stackgen in blocks of shell and of CI, and its words."""
    for snippet in snippets(page):
        if snippet.info in ("sh", "console", "yaml ci"):
            for line in snippet.text.splitlines():
                if match := re.search(
                    r"(?:^\s*(?:\$ |- (?:run: )?)?|\bbin/)stackgen (?P<rest>[a-z].*)", line
                ):
                    rest = re.split(r"\s(?:\||>|&&|#)", match["rest"])[0]
                    yield f"{snippet.label}: {line.strip()}", shlex.split(rest)
