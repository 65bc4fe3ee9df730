"""Templates with every hole filled, or an error."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.domain.document import Template
from stackgen.emit import EmitError, text
from tests.support import hostile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "greet.txt").write_text(
        "Dear {{ name }},\n{% for item in items %}\n- {{ item }}\n{% endfor %}\n\nbye\n\n"
    )
    (tmp_path / "run.sh").write_text("exec {{ argv | shell_join }}\nport={{ port | shell_quote }}\n")
    (tmp_path / "outer.txt").write_text("{% include 'inner.txt' %}|")
    (tmp_path / "inner.txt").write_text("<{{ a }}>")
    return tmp_path


def test_fills_the_holes_and_keeps_the_end(folder: Path) -> None:
    template = Template("greet.txt", (("name", "<b> & Co"), ("items", ("a", 1))))
    assert text.dump(template, folder) == "Dear <b> & Co,\n- a\n- 1\n\nbye\n\n"


def test_includes_templates_of_the_same_folders(folder: Path) -> None:
    assert text.dump(Template("outer.txt", (("a", "{{ a }}"),)), folder) == "<{{ a }}>|"


@given(st.lists(hostile.words))
@settings(max_examples=50, deadline=None)
def test_words_of_a_shell_are_quoted(tmp_path_factory: pytest.TempPathFactory, argv: list[str]) -> None:
    folder = tmp_path_factory.mktemp("templates")
    (folder / "run.sh").write_text("{{ argv | shell_join }}\n")
    assert shlex.split(text.dump(Template("run.sh", (("argv", argv),)), folder)) == argv


def test_numbers_are_words_of_a_shell(folder: Path) -> None:
    assert (
        text.dump(Template("run.sh", (("argv", ["a", "b c"]), ("port", 80))), folder)
        == "exec a 'b c'\nport=80\n"
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ missing }}", "'missing' is undefined"),
        ("{{ missing | shell_quote }}", "'missing' is undefined"),
        ("{{ a.missing }}", "no attribute 'missing'"),
        ("{% if missing %}{% endif %}", "'missing' is undefined"),
        ("\n{% if %}", "bad.txt, line 2: "),
        ("{{ nul | shell_quote }}", "NUL"),
        ("{{ none | shell_quote }}", "None is not a word"),
        ("{{ [none] | shell_join }}", "None is not a word"),
        ("{{ 'a' + 1 }}", "concatenate"),
        ("{{ broken }}", "surrogate"),
        ("{% include 'nowhere.txt' %}", "no template named 'nowhere.txt'"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ items.append(1) }}", "unsafe|not safely callable"),
    ],
)
def test_errors_name_the_template(template: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text(template)
    values: tuple[tuple[str, Any], ...] = (("a", {}), ("nul", "\0"), ("broken", "\ud800"), ("items", [1]))
    with pytest.raises(EmitError, match=message) as caught:
        text.dump(Template("bad.txt", values), tmp_path)
    assert caught.value.path == ("bad.txt",)


@pytest.mark.parametrize("name", ["nowhere.txt", "", ".", "../greet.txt", "/etc/passwd", "a\0"])
def test_a_template_that_is_not_there(name: str, folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    with pytest.raises(EmitError, match="no template named"):
        text.dump(Template(name), inner)


def test_an_override_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    with pytest.raises(EmitError, match="utf-8"):
        text.dump(Template("bad.txt"), tmp_path)


@pytest.mark.parametrize("body", ["text", None, {}])
def test_refuses_what_is_no_template(body: Any) -> None:
    with pytest.raises(EmitError, match="template"):
        text.dump(body)
