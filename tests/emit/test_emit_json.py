"""JSON that reads back, in the order given."""

import json as stdlib
from typing import Any

import pytest
from hypothesis import given, settings

from stackgen.emit import EmitError, json
from tests.support import hostile


@given(hostile.trees())
@settings(max_examples=60, deadline=None)
def test_trees_read_back(tree: Any) -> None:
    assert repr(stdlib.loads(json.dump(tree))) == repr(tree)


def test_layout() -> None:
    assert json.dump({"b": ["é", None], "a": {}}) == '{\n  "b": [\n    "é",\n    null\n  ],\n  "a": {}\n}\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**63, "\ud800", b"x", object()])
def test_refuses_what_json_cannot_hold(value: Any) -> None:
    with pytest.raises(EmitError) as caught:
        json.dump({"a": [value]})
    assert caught.value.path == ("a", 0)


def test_refuses_keys_that_json_would_rename() -> None:
    with pytest.raises(EmitError, match="not text"):
        json.dump({1: "a", "1": "b"})
