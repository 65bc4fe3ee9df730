"""Headers that are well formed and make no sense: derived and written to a lock, or refused, and soon."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import Lock, LockEntry, Pin
from stackgen.facts.derive import MAX_LAYERS, derive
from stackgen.facts.keys import FactsError
from stackgen.formats.gguf import parse_header
from stackgen.lock.codec import dumps, loads

HEADERS = [
    parse_header(p.read_bytes()) for p in sorted((Path(__file__).parents[1] / "headers").glob("*.gguf"))
]
NUMBERS = (0, -1, 1, 3, MAX_LAYERS + 1, 2**31, 2**63, 1e308, float("inf"), float("-inf"), float("nan"), 0.5)
VALUES = st.sampled_from(
    (*NUMBERS, "", "x", True, (), (0,), (1, 2, 3), (0.5,), ("a",), ((1,),), (1.0, float("nan")))
)


@given(st.data())
@settings(max_examples=400, deadline=5000)
def test_any_metadata_is_derived_or_refused(data: st.DataObject) -> None:
    header = data.draw(st.sampled_from(HEADERS))
    keys = data.draw(st.lists(st.sampled_from(sorted(header.metadata)), min_size=1, max_size=3))
    metadata: dict[str, Any] = dict(header.metadata) | {key: data.draw(VALUES) for key in keys}
    tensors = header.tensors[: data.draw(st.sampled_from((None, 0, 1, 50)))]
    try:
        facts = derive(replace(header, metadata=metadata, tensors=tensors))
    except FactsError:
        return
    text = dumps(Lock(entries={"m": LockEntry(request=ModelRequest(repo="o/r"), pin=Pin(), facts=facts)}))
    json.loads(text, parse_constant=pytest.fail)
    assert loads(text).entries["m"].facts == facts


def test_a_model_of_too_many_layers_is_refused() -> None:
    header = next(h for h in HEADERS if h.architecture == "llama")
    with pytest.raises(FactsError, match="claims 1000000 layers"):
        derive(replace(header, metadata={**header.metadata, "llama.block_count": 1_000_000}))
