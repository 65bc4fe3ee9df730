"""A secret never reaches a file, a plan or a message, wherever in a stack somebody puts it."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stackgen import registry
from stackgen.app.loading import WrongStackError, read_text
from stackgen.domain.stack import SecretValue
from stackgen.report.diagnostics import show
from tests.support import everything

TOKEN = "hf_" + "Planted0Planted1Planted2"
Place = tuple[str | int, ...]
each_platform = pytest.mark.parametrize("platform", everything.PLATFORMS)


def places(data: Any, path: Place = ()) -> Iterator[Place]:
    """Where a text or a number stands."""
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, (*path, key))
    else:
        yield path


def planted(data: dict[str, Any], place: Place, value: str) -> dict[str, Any]:
    """The stack with another value at one place."""
    found = copy.deepcopy(data)
    around: Any = found
    for key in place[:-1]:
        around = around[key]
    around[place[-1]] = value
    return found


def refusal(data: dict[str, Any]) -> str:
    """What a person is told about a stack that must be refused."""
    with pytest.raises(WrongStackError) as caught:
        read_text("stack.yaml", json.dumps(data, indent=1))
    # What is not even a version is told before anything else.
    assert {"spec/literal-secret", "spec/version"} & {d.kind for d in caught.value.diagnostics}
    return show(caught.value.diagnostics, caught.value.source, width=200, color=False)


PLACES = tuple(places(everything.data("compose")))


def test_there_are_places_enough() -> None:
    tops = {place[0] for place in PLACES}
    assert tops == {"version", "name", "hosts", "models", "services", "volumes", "deploy"}
    assert len(PLACES) > 120


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_a_token_in_place_of_any_value_is_refused_and_not_repeated(place: Place) -> None:
    told = refusal(planted(everything.data("compose"), place, TOKEN))
    assert TOKEN not in told
    assert TOKEN[:12] not in told


@pytest.mark.parametrize(
    "text", [f"--key={TOKEN}", f"Bearer {TOKEN}", f"a;{TOKEN}", f"https://user:{TOKEN}@example.org/v1"]
)
@pytest.mark.parametrize(
    "place",
    [
        ("services", "other", "options", "args", 0),
        ("services", "other", "env", "PLAIN"),
        ("services", "gateway", "image"),
        ("services", "gateway", "options", "aliases"),
        ("services", "llama", "models", "tiny", "alias"),
        ("volumes", "weights", "path"),
        ("models", "small", "hf"),
    ],
    ids=lambda place: ".".join(map(str, place)),
)
def test_a_token_inside_a_value_is_refused_and_not_repeated(place: Place, text: str) -> None:
    data = everything.data("compose")
    value: Any = {"gpt-4": text} if place[-1] == "aliases" else [text] if place[-1] == "alias" else text
    assert TOKEN not in refusal(planted(data, place, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LITELLM_MASTER_KEY", "sk-1234"),
        ("DATABASE_PASSWORD", "hunter2"),
        ("WEBUI_SECRET_KEY", "t0p-secret"),
        ("HF_TOKEN", "mine"),
        ("LLAMA_API_KEY", "S3cr3t!Passw0rd"),
    ],
)
@pytest.mark.parametrize("service", sorted(everything.data("compose")["services"]))
def test_a_password_under_the_name_of_a_secret_is_refused(service: str, name: str, value: str) -> None:
    data = everything.data("compose")
    data["services"][service].setdefault("env", {})[name] = value
    assert f'"{value}"' not in refusal(data)


def options_that_are_secrets() -> Iterator[tuple[str, str]]:
    """(engine, option) of everything that takes {secret: …}, also below other options."""
    for name, engine in registry.engines().items():
        options, _ = engine.schema()
        parts = (options, *(part for key, part in options.get("$defs", {}).items() if key != "SecretValue"))
        for part in parts:
            for option, about in part.get("properties", {}).items():
                if SecretValue.__name__ in json.dumps(about):
                    yield name, option


def references() -> dict[tuple[str, str], str]:
    """The secrets that the stack names, and which service does."""
    found: dict[tuple[str, str], str] = {}
    data = everything.data("compose")
    for service, body in data["services"].items():
        for name, key in re.findall(r'"secret": \{"name": "([^"]+)", "key": "([^"]+)"\}', json.dumps(body)):
            found[name, key] = service
    return found


def test_the_stack_has_a_secret_in_every_option_that_takes_one() -> None:
    written = {
        (service["engine"], option)
        for service in everything.data("compose")["services"].values()
        for option in re.findall(r'"(\w+)": \{"secret"', json.dumps(service.get("options", {})))
    }
    maps = {("litellm", "keys"): ("litellm", "ollama")}
    missing = [o for o in options_that_are_secrets() if o not in written and maps.get(o) not in written]
    assert missing == []


def words(text: str) -> set[str]:
    """Names in a text, also those that a variable is made of."""
    names = {name for pair in references() for name in pair}
    return {name for name in names if name in text or name.replace("-", "_") in text}


@each_platform
def test_a_reference_arrives_as_a_reference(platform: str, tmp_path: Path) -> None:
    _, output = everything.planned(platform, tmp_path)
    text = "\n".join(file.text for file in output.files[platform].values()).lower()
    assert [(name, key) for name, key in references() if not {name, key} <= words(text)] == []
    for files in output.files.values():
        for path, file in files.items():
            assert not re.search(r"SecretKey\(|SecretValue\(|SecretRef\(", file.text), path


@each_platform
def test_what_stands_in_the_environment_and_beside_the_stack_stays_there(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "LITELLM_MASTER_KEY", "OPENAI_API_KEY", "LLAMA_API_KEY"}
    plan, output = everything.planned(platform, tmp_path)
    for name in names | {variable for s in plan.services.values() for variable in s.linked.env}:
        monkeypatch.setenv(name, TOKEN)
    for name in (".env", "secrets.yaml", "stack.lock.bak", "api_tokens.yml"):
        (tmp_path / name).write_text(f"token: {TOKEN}\n")
    again, rendered = everything.planned(platform, tmp_path)
    assert rendered.files == output.files
    assert TOKEN not in repr(again)
    assert all(TOKEN not in file.text for files in rendered.files.values() for file in files.values())
