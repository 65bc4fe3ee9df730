"""Findings that the owner accepts."""

import pytest

from stackgen.domain.diagnostic import Diagnostic, Severity, YamlPath, error, warning
from stackgen.domain.stack import Allow
from stackgen.spec.allow import apply
from tests.support.reading import findings

HERE: YamlPath = ("services", "llama", "options", "models_max")
OVER = error("plan/over-budget", HERE, "too much", "take less")
TIGHT = warning("plan/tight", ("hosts", "box", "gpus", 0), "tight")


def allow(kind: str, at: str | None = None) -> Allow:
    return Allow(kind=kind, at=at, reason="it is meant")


def kinds(found: tuple[Diagnostic, ...]) -> list[tuple[str, str]]:
    return [(d.kind, d.severity.value) for d in found]


def test_without_entries_nothing_changes() -> None:
    assert apply([OVER, TIGHT], []) == (OVER, TIGHT)


@pytest.mark.parametrize(
    "at", [None, "services", "services.llama", "services.llama.options", "services.llama.options.models_max"]
)
def test_a_match_becomes_a_note_with_the_reason(at: str | None) -> None:
    (note,) = apply([OVER], [allow("plan/over-budget", at)])
    assert (note.severity, note.message, note.hint) == (
        Severity.NOTE,
        "too much (allowed: it is meant)",
        None,
    )
    assert note.related == ((("allow", 0), "allowed here"),)


def test_an_index_can_be_named() -> None:
    assert kinds(apply([TIGHT], [allow("plan/tight", "hosts.box.gpus[0]")])) == [("plan/tight", "note")]
    assert kinds(apply([TIGHT], [allow("plan/tight", "hosts.box.gpus")])) == [("plan/tight", "note")]


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        (allow("plan/over-budget", "services.lla"), "it is at services.llama.options.models_max"),
        (
            allow("plan/over-budget", "services.llama.options.models_mx"),
            "did you mean `services.llama.options.models_max`?",
        ),
        (allow("plan/overbudget"), "did you mean `plan/over-budget`?"),
        (allow("plan/something-else-entirely"), "remove the entry"),
    ],
)
def test_an_entry_that_matches_nothing_is_told(entry: Allow, hint: str) -> None:
    kept, unused = apply([OVER], [entry])
    assert kept is OVER
    assert (unused.kind, unused.path, unused.hint) == ("allow/unused", ("allow", 0), hint)


def test_what_must_be_put_right_stays_an_error() -> None:
    wrong = error("spec/type", HERE, "wrong")
    assert kinds(apply([wrong], [allow("spec/type")])) == [
        ("spec/type", "error"),
        ("allow/unused", "warning"),
    ]


def test_names_with_dots_are_found() -> None:
    text = """\
version: 1
name: a
hosts: {box: {platform: compose}}
models: {m: {path: /m}}
services: {it: {engine: chat-server, host: box, models: {gpt-5.1: {model: m}}}}
allow:
  - {kind: plan/x, at: services.it.models.gpt-5.1, reason: it is meant}
  - {kind: plan/x, at: services, reason: it is meant}
  - {kind: plan/x, at: name, reason: it is meant}
"""
    assert {d.kind for d in findings(text)[1]} == {"allow/unused"}


def test_a_name_that_only_begins_alike_is_another_one() -> None:
    found = warning("plan/tight", ("models", "Qwen2.5"), "tight")
    assert kinds(apply([found], [allow("plan/tight", "models.Qwen2.5")])) == [("plan/tight", "note")]
    assert ("plan/tight", "warning") in kinds(apply([found], [allow("plan/tight", "models.Qwen2")]))
