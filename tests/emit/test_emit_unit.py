"""Units that systemd takes literally."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.domain.document import UnitArgv, UnitRaw, UnitWords
from stackgen.emit import EmitError, unit
from tests.support import hostile
from tests.support.programs import require
from tests.support.unitfile import argv_of, resolved, settings_of, words_of

words = hostile.text.map(lambda text: "".join(char for char in text if unit.why_not_word(char) is None))
argvs = st.lists(words, min_size=40, max_size=80)
values = words.filter(lambda text: unit.why_not(text) is None)


@given(st.lists(values, max_size=20))
@settings(max_examples=60, deadline=None)
def test_plain_values_read_back(texts: list[str]) -> None:
    sections = settings_of(unit.dump({"Unit": {"Description": texts}}))
    assert [(key, resolved(value)) for key, value in sections["Unit"]] == [("Description", t) for t in texts]


@given(st.lists(words, max_size=20))
@settings(max_examples=80, deadline=None)
def test_commands_and_words_read_back(some: list[str]) -> None:
    body = {"Service": {"ExecStart": UnitArgv(("/bin/a", *some), "-"), "Environment": UnitWords(tuple(some))}}
    (start, command), (environment, assignments) = settings_of(unit.dump(body))["Service"]
    assert (start, environment) == ("ExecStart", "Environment")
    assert argv_of(command) == ["-/bin/a", *some]
    assert [resolved(word) for word in words_of(assignments)] == some


def test_layout() -> None:
    body = {
        "Unit": {"Description": "90% of llama", "After": ["network-online.target", "mnt-models.mount"]},
        "Service": {
            "Type": "exec",
            "ExecStartPre": [UnitArgv(("/bin/true",), "-"), UnitArgv(("test", "-d", "/my models"))],
            "ExecStart": UnitArgv(
                ("/bin/llama-server", "--port=8080", "50%", "$HOME", 'a"b\\', "", "x\ny", ";")
            ),
            "Environment": [UnitWords(("A=1", "B=two words %h"))],
            "LoadCredential": UnitRaw("token:%d/token"),
            "MemoryMax": "80%",
            "TimeoutStartSec": 900,
            "PrivateTmp": True,
            "NoNewPrivileges": False,
        },
        "Install": {"WantedBy": "multi-user.target"},
    }
    assert unit.dump(body) == (
        "[Unit]\n"
        "Description=90%% of llama\n"
        "After=network-online.target\n"
        "After=mnt-models.mount\n"
        "\n"
        "[Service]\n"
        "Type=exec\n"
        "ExecStartPre=-/bin/true\n"
        'ExecStartPre=test -d "/my models"\n'
        'ExecStart=/bin/llama-server --port=8080 50%% $$HOME "a\\"b\\\\" "" "x\\ny" ";"\n'
        'Environment=A=1 "B=two words %%h"\n'
        "LoadCredential=token:%d/token\n"
        "MemoryMax=80%\n"
        "TimeoutStartSec=900\n"
        "PrivateTmp=true\n"
        "NoNewPrivileges=false\n"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a\nb", "line breaks"),
        ("a\x1bb", "control"),
        ("a\x7f", "control"),
        (" a", "blanks"),
        ("a\t", "blanks"),
        ("a\\", "backslash"),
        ("\ud800", "surrogate"),
        (UnitRaw("a\nb"), "line breaks"),
        (UnitWords(("a\0",)), "NUL"),
        (UnitWords(("\ud800",)), "surrogate"),
        (UnitArgv(()), "program"),
        (None, "needs a value"),
        (float("nan"), "finite"),
        ({"a": 1}, "dict"),
    ],
)
def test_refuses_values_with_the_place(value: Any, reason: str) -> None:
    with pytest.raises(EmitError, match=reason) as caught:
        unit.dump({"Service": {"Good": "a", "Bad": ["a", value]}})
    assert caught.value.path == ("Service", "Bad", 1)


@pytest.mark.parametrize(
    "program", ["", "-a", "@a", "a$b", "a'b", 'a"b', "a\\b", "a\nb", "/bin/", "+a", "!a", ":a", "|a"]
)
def test_refuses_programs_that_systemd_cannot_run(program: str) -> None:
    with pytest.raises(EmitError, match="cannot run"):
        unit.command(UnitArgv((program,)))


@pytest.mark.parametrize(
    "body", [[], {"Unit": "a"}, {"A]": {}}, {"": {}}, {"Unit": {"a b": "c"}}, {"Unit": {"": "c"}}]
)
def test_refuses_what_is_no_unit(body: Any) -> None:
    with pytest.raises(EmitError):
        unit.dump(body)


def verify(text: str, folder: Path) -> tuple[int, str]:
    """The exit status of systemd on a unit, and what it complains about."""
    (folder / "a.service").write_bytes(text.encode())
    command = [require("systemd-analyze"), "verify", "--man=no", str(folder / "a.service")]
    done = subprocess.run(command, capture_output=True)
    return done.returncode, done.stderr.decode(errors="replace")


@pytest.mark.tool
@given(argvs)
@settings(hostile.BATCHES, max_examples=6)
def test_systemd_finds_nothing_wrong(tmp_path_factory: pytest.TempPathFactory, some: list[str]) -> None:
    body = {
        "Unit": {"Description": [text for text in some if unit.why_not(text) is None]},
        "Service": {
            "Type": "oneshot",
            "ExecStart": [UnitArgv(("/bin/true", *some)), *(UnitArgv(("/bin/true", word)) for word in some)],
            "Environment": [UnitWords((f"A{i}={word}",)) for i, word in enumerate(some)],
            "MemoryMax": "80%",
            "CPUQuota": "350%",
        },
    }
    assert verify(unit.dump(body), tmp_path_factory.mktemp("unit")) == (0, "")


@pytest.mark.tool
@pytest.mark.parametrize(
    "setting",
    [
        'ExecStart=/bin/true "a',
        "ExecStart=/bin/true \\q",
        "MemoryMax=80%%",
        "Environment=A",
        "Description=%Q",
        "ExecStart=a'b",
    ],
)
def test_systemd_complains_about_what_we_avoid(setting: str, tmp_path: Path) -> None:
    section = "Unit" if setting.startswith("Description") else "Service"
    text = f"[Service]\nType=oneshot\nExecStart=/bin/true\n[{section}]\n{setting}\n"
    _, complaint = verify(text, tmp_path)
    assert "a.service:5: " in complaint


@pytest.mark.tool
@pytest.mark.parametrize(
    "code", [0xFDCF, 0xFDD0, 0xFDEF, 0xFDF0, 0xFFFD, 0xFFFE, 0x1FFFF, 0x10FFFD, 0x10FFFE]
)
def test_systemd_refuses_the_code_points_that_we_refuse(code: int, tmp_path: Path) -> None:
    text = f"[Service]\nType=oneshot\nExecStart=/bin/true\n[Unit]\nDescription=a{chr(code)}\n"
    _, complaint = verify(text, tmp_path)
    assert ("not UTF-8 clean" in complaint) is (unit.why_not(chr(code)) is not None)


@pytest.mark.tool
@given(argvs)
@settings(hostile.BATCHES, max_examples=6)
def test_systemd_splits_words_and_resolves_escapes_and_specifiers(
    tmp_path_factory: pytest.TempPathFactory, some: list[str]
) -> None:
    # systemd-tmpfiles reads quotes, escapes and specifiers as units are read, and needs no daemon.
    # It makes a file for each word: named by it (a name knows no escapes there), with all of it as content.
    folder = tmp_path_factory.mktemp("tmpfiles")
    (folder / "root").mkdir()
    names = [f"{i}-" + re.sub(r"[/\x00-\x1f\x7f]", "", word)[:60] for i, word in enumerate(some)]
    contents = [f"{{ {word} }}" for word in some]
    quoted = [unit.words([content]) for content in contents]
    (folder / "a.conf").write_bytes(
        "".join(
            f"f {unit.words([f'/{name}'])} - - - - {text[1:-1]}\n"
            for name, text in zip(names, quoted, strict=True)
        ).encode()
    )
    command = [require("systemd-tmpfiles"), "--create", f"--root={folder}/root", str(folder / "a.conf")]
    done = subprocess.run(command, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    made = {path.name: path.read_bytes().decode() for path in (folder / "root").iterdir()}
    assert made == dict(zip(names, contents, strict=True))
