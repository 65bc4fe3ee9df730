"""What the documents show of the program, made by the program: `python -m tests.support.docs` puts it in anew.

A block between `<!-- NAME: WORDS -->` and `<!-- /NAME -->` is made by the function `NAME` in `MAKERS` from these
words. A YAML block after `<!-- stack: FILE -->` is a file that the commands of its page can name.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.support import claims, reference, verified
from tests.support.cli import ROOT

PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
REFRESH: Final = "python -m tests.support.docs"
HEADER: Final = ROOT / "tests" / "headers" / "qwen3-30b-a3b.gguf"
"""What commands in the documents call model.gguf."""

_BLOCK = re.compile(
    r"^<!-- (?P<name>[a-z-]+):(?P<words>.*?) ?-->\n(?P<body>.*?)^<!-- /(?P=name) -->$",
    re.MULTILINE | re.DOTALL,
)
_STACK = re.compile(
    r"^<!-- stack: (?P<file>[\w./-]+) -->\n\n?```yaml[a-z ]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def refreshed(text: str) -> str:
    """A page with all its blocks made anew."""
    with TemporaryDirectory() as folder:
        workplace(Path(folder), text)

        def anew(match: re.Match[str]) -> str:
            body = MAKERS[match["name"]](match["words"].split(), Path(folder)).strip("\n")
            return f"<!-- {match['name']}:{match['words']} -->\n\n{body}\n\n<!-- /{match['name']} -->"

        return _BLOCK.sub(anew, text)


def workplace(folder: Path, text: str) -> None:
    """A folder in which the commands of a page can run: its stacks, the examples, a model, `stackgen` itself."""
    (folder / "stacks").symlink_to(ROOT / "stacks")
    (folder / "model.gguf").symlink_to(HEADER)
    for match in _STACK.finditer(text):
        path = folder / match["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(match["text"])
    program = folder / ".venv" / "bin" / "stackgen"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'from stackgen.cli import main; main()' \"$@\"\n", "utf-8"
    )
    program.chmod(0o755)


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line as somebody would who has stackgen in the PATH; both streams in one."""
    path = f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=kept | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )


def _plan(words: list[str], folder: Path) -> str:
    """What `stackgen plan` prints."""
    return _fenced("text", shell(shlex.join(["stackgen", "plan", *words]), folder).stdout)


def _run(words: list[str], folder: Path) -> str:
    """A command with what it prints and, when it is not 0, its exit status."""
    command = " ".join(words)
    done = shell(command, folder)
    status = f"(exit status {done.returncode})\n" if done.returncode else ""
    return _fenced("console", f"$ {command}\n{done.stdout.rstrip()}\n{status}")


def _files(words: list[str], folder: Path) -> str:
    """The files that rendering a stack writes."""
    out = folder / "rendered"
    shell(shlex.join(["stackgen", "render", *words, "-o", str(out)]), folder)
    return _fenced("text", "\n".join(sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())))


def _rendered(words: list[str], folder: Path) -> str:
    """One of these files, or the part of it from the line that begins with a word to the next line as far left."""
    stack, name, *part = words
    out = folder / "rendered"
    done = shell(
        shlex.join(["stackgen", "render", stack, "--target", name.split("/")[0], "-o", str(out)]), folder
    )
    if not (out / name).is_file():
        raise LookupError(done.stdout)
    lines = (out / name).read_text("utf-8").splitlines()
    kinds = {".yaml": "yaml rendered", ".ini": "ini", ".sh": "sh", ".nix": "nix"}
    return _fenced(kinds.get(Path(name).suffix, "text"), "\n".join(_part(lines, *part) if part else lines))


def _part(lines: list[str], start: str) -> Iterator[str]:
    first = next(i for i, line in enumerate(lines) if line.strip() == start)
    indent = len(lines[first]) - len(lines[first].lstrip())
    yield lines[first]
    for line in lines[first + 1 :]:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            return
        yield line


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.strip(chr(10))}\n```"


MAKERS: Final[dict[str, Callable[[list[str], Path], str]]] = {
    "plan": _plan,
    "run": _run,
    "files": _files,
    "rendered": _rendered,
    "scenarios": lambda words, _: claims.scenarios(*words),
    "contexts": claims.contexts,
    "findings": lambda words, _: claims.findings(*words),
    "keys": lambda words, _: reference.keys(*words),
    "options": lambda words, _: reference.options(*words),
    "model-options": lambda words, _: reference.model_options(*words),
    "router-options": lambda words, _: reference.router_options(*words),
    "router-keys": lambda words, _: reference.router_keys(*words),
    "builds": lambda *_: reference.builds(),
    "engines": lambda words, _: reference.engines(*words),
    "what-runs": lambda *_: reference.what_runs(),
    "roles": lambda words, _: reference.roles(*words),
    "command": lambda words, _: reference.command(*words),
    "oracle": lambda *_: verified.summary(),
    "architectures": lambda *_: verified.architectures(),
    "cards": lambda words, _: reference.cards(*words),
    "json-keys": lambda words, _: reference.json_keys(*words),
}


if __name__ == "__main__":
    for page in PAGES:
        before = page.read_text("utf-8")
        after = refreshed(before)
        if after != before:
            page.write_text(after, "utf-8")
            sys.stdout.write(f"refreshed {page.relative_to(ROOT)}\n")
