"""The JSON Schema that editors use agrees with the program."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stackgen import registry
from stackgen.data import gpus
from stackgen.spec.schema import DRAFT, schema
from stackgen.spec.source import read
from tests.support.example_stack import EXAMPLE
from tests.support.fake_engine import ENGINES, PLATFORMS
from tests.support.reading import findings

ROOT = Path(__file__).parent.parent.parent
STACKS = sorted((ROOT / "stacks").glob("*/*.yaml"))
ERRORS = sorted((ROOT / "tests" / "errors").glob("*.yaml"))
FAKE = schema(ENGINES, PLATFORMS)


def complaints(text: str, checker: dict[str, Any]) -> list[str]:
    data = read("stack.yaml", text).data
    return [error.message for error in jsonschema.Draft202012Validator(checker).iter_errors(data)]


def test_it_is_a_schema() -> None:
    assert FAKE["$schema"] == DRAFT
    jsonschema.Draft202012Validator.check_schema(FAKE)
    jsonschema.Draft202012Validator.check_schema(
        schema(registry.engines(), registry.platforms(), gpus.names())
    )


def test_the_example_passes() -> None:
    assert complaints(EXAMPLE, FAKE) == []


def test_the_stacks_of_this_repository_pass() -> None:
    real = schema(registry.engines(), registry.platforms(), gpus.names())
    assert STACKS
    assert {file.name: complaints(file.read_text("utf-8"), real) for file in STACKS} == {
        file.name: [] for file in STACKS
    }


def test_wrong_and_missing_keys_fail() -> None:
    checked = 0
    for file in ERRORS:
        text = file.read_bytes().decode()
        kinds = {d.kind for d in findings(text)[1]}
        if kinds & {"spec/unknown-key", "spec/missing-key", "spec/type", "spec/range", "link/unknown-engine"}:
            checked += 1
            assert complaints(text, FAKE), file.name
    assert checked > 15


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("parallel: 4", "parallel: 400"),
        ("cache_type: q8_0", "cache_type: q8"),
        ("context: 32768", "contxt: 32768"),
        ("nano:   {model: nano, ", "nano:   {"),
        ("platform: compose", "platform: docker"),
        ("  pc:", "  My PC:"),
        ("cache_ram: 8GiB", "cache_ram: 8"),
    ],
)
def test_options_of_the_named_engine_are_checked(old: str, new: str) -> None:
    assert old in EXAMPLE
    assert complaints(EXAMPLE.replace(old, new), FAKE)


def test_every_reference_leads_somewhere() -> None:
    real = schema(registry.engines())
    assert {ref.removeprefix("#/$defs/") for ref in _references(real)} <= set(real["$defs"])


def test_no_default_is_one_that_nobody_can_write() -> None:
    assert "default" not in FAKE["$defs"]["Budget"]["properties"]["headroom"]
    assert FAKE["$defs"]["Service"]["properties"]["options"]["default"] == {}


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [ref for item in value.values() for ref in _references(item)]
    return [ref for item in value for ref in _references(item)] if isinstance(value, list) else []
