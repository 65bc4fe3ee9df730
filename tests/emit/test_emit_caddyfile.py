"""Caddyfiles that Caddy reads as they were meant."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from stackgen.domain.document import Directive
from stackgen.emit import EmitError, caddyfile
from tests.support import caddy, hostile


def site(index: int, word: str) -> Directive:
    return Directive((f"http://h{index}.test",), (Directive(("respond", "*", word, "200")),))


def test_it_is_laid_out_as_its_own_formatter_does() -> None:
    body = (
        Directive(
            (), (Directive(("admin", "off")), Directive(("servers",), (Directive(("protocols", "h1")),)))
        ),
        Directive(("chat.lan",), (Directive(("respond", "it's here", "200")),)),
    )
    assert caddyfile.dump(body) == (
        "{\n\tadmin off\n\tservers {\n\t\tprotocols h1\n\t}\n}\n\nchat.lan {\n\trespond `it's here` 200\n}\n"
    )


@pytest.mark.parametrize(
    "body",
    [
        "chat.lan",
        (Directive(("chat.lan",)),),
        (Directive(("(snippet)",), ()),),
        (Directive(("a.lan,",), ()),),
        (Directive(("",), ()),),
        (site(0, "x"), Directive((), ())),
        (Directive(("a.lan",), (Directive(("import", "/etc/passwd")),)),),
        (site(0, "{$HOME}"),),
        (site(0, "{"),),
        (site(0, "`\\"),),
        (site(0, '`\\"'),),
        (site(0, "\ud800"),),
        (Directive(("a.lan",), (Directive(("respond", 200)),)),),
    ],
    ids=repr,
)
def test_what_caddy_would_read_otherwise_is_refused(body: object) -> None:
    with pytest.raises(EmitError):
        caddyfile.dump(body)


@pytest.mark.tool
@given(hostile.texts)
@settings(parent=hostile.BATCHES, max_examples=12)
def test_caddy_reads_every_word_back(words: list[str]) -> None:
    sent = [word for word in words if caddyfile.why_not(word) is None]
    assert len(sent) > len(words) // 3
    with TemporaryDirectory() as folder:
        found = caddy.adapted(
            caddyfile.dump(tuple(site(i, word) for i, word in enumerate(sent))), Path(folder)
        )
    assert bodies(found) == {f"h{index}.test": word for index, word in enumerate(sent)}


def bodies(found: dict[str, dict[str, dict[str, dict[str, dict[str, list[dict[str, object]]]]]]]) -> object:
    """What each host answers."""
    answers = {}
    for server in found["apps"]["http"]["servers"].values():
        for route in server["routes"]:
            ((host,),) = (match["host"] for match in route["match"])  # type: ignore[attr-defined]
            (handler,) = route["handle"][0]["routes"][0]["handle"]  # type: ignore[index]
            answers[host] = handler.get("body", "")
    return answers
