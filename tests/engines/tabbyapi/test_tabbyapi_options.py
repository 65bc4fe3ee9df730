"""Options under TabbyAPI's own names: what exists today is typed, what does not is told of at its place."""

from typing import Any

import pytest

from stackgen.data import load_toml
from stackgen.domain.stack import Service
from stackgen.domain.units import GIB
from stackgen.engines.tabbyapi import ENGINE
from stackgen.engines.tabbyapi.effective import case
from tests.support.engines import found, kinds, service

KEY = "api_key: {secret: {name: tabby, key: api-key}}"


def with_options(options: str, entry: str = "") -> Any:
    return service(
        ENGINE,
        f"""
        gpus: [0, 1]
        image: example.org/tabbyapi:1
        volumes: {{models: weights}}
        options: {{{KEY}, {options}}}
        models: {{m: {{model: m, hf: o/Some-Model-exl3, vram: {{low: 1GiB, high: 2GiB}}, {entry}}}}}
        """,
    )


@pytest.mark.parametrize("mode", ["FP16", "Q8", "Q6", "Q4", "2,8", "8,4"])
def test_cache_modes_that_there_are(mode: str) -> None:
    assert kinds(ENGINE, with_options(f"cache_mode: '{mode}'")) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache_mode": "q4"}, "`cache_mode` must be `FP16`, `Q8`, `Q6`, `Q4`, or bits of keys and values"),
        ({"cache_mode": "9,4"}, "`cache_mode` must be"),
        ({"cache_mode": 4}, "`cache_mode` must be"),
        ({"cache_size": 8000}, "`cache_size` must be more than 0 and a multiple of 256"),
        ({"max_seq_len": -1}, "`max_seq_len` must be at least 256"),
        ({"gpu_split": [24]}, "24 has no unit"),
        ({"gpu_split": "auto"}, "`gpu_split` must be a list"),
        ({"draft_model": {"draft_num_tokens": 4}}, "`draft_mode: model` needs `model`"),
        ({"draft_model": {"draft_mode": "mtp", "model": "m"}}, "`draft_mode: mtp` needs no `model`"),
        ({"draft_model": {"model": "m", "draft_cache_mode": "8,8"}}, "`draft_cache_mode` must be `FP16`"),
        ({"api_servers": ["OpenAI"]}, "must be `OAI` or `Kobold`"),
        ({"chunksize": 512}, "unknown key `chunksize`"),
    ],
)
def test_what_tabbyapi_would_refuse_or_pass_over(options: dict[str, Any], message: str) -> None:
    raw = Service(engine="tabbyapi", host="box", options=options)
    (only,) = ENGINE.options(raw, ("services", "it")).diagnostics
    assert message in only.message
    assert only.path[:3] == ("services", "it", "options")


def test_a_near_key_is_proposed() -> None:
    raw = Service(engine="tabbyapi", host="box", options={"max_sequence_len": 8192})
    (only,) = ENGINE.options(raw, ("services", "it")).diagnostics
    assert only.hint == "did you mean `max_seq_len`?"


@pytest.mark.parametrize("name", sorted(load_toml("tabbyapi")["dead"]))
def test_every_dead_key_is_told_of_and_left_out(name: str) -> None:
    row = load_toml("tabbyapi")["dead"][name]
    assert row["source"]
    data: Any = "x"
    for part in reversed(name.split(".")):
        data = {part: data}
    linked = service(
        ENGINE,
        f"{{gpus: [0], image: 'example.org/tabbyapi:1', volumes: {{models: w}}, options: {{{KEY}}}, "
        f"models: {{m: {{model: m, hf: o/m-exl3, vram: {{low: 1GiB, high: 2GiB}}}}}}}}",
        options=ENGINE.options(
            Service(engine="tabbyapi", host="box", options={"disable_auth": True, **data}),
            ("services", "it"),
        ).value,
    )
    only = found(ENGINE, linked, "tabbyapi/dead-key")
    assert only.path == ("services", "it", "options", *name.split("."))
    assert only.at_key
    assert row["why"] in only.message
    assert row.get("instead", "remove it") in (only.hint or "")


def test_dead_keys_of_a_model_too() -> None:
    linked = with_options("", "expect_cache_tokens: 16384")
    assert found(ENGINE, linked, "tabbyapi/dead-key").path[-2:] == ("m", "expect_cache_tokens")


def test_living_keys_beside_dead_ones_stay() -> None:
    options = {"draft_model": {"draft_gpu_split_auto": True, "model": "small", "draft_cache_mode": "Q4"}}
    parsed = ENGINE.options(Service(engine="tabbyapi", host="box", options=options), ("services", "it"))
    assert parsed.value.keys.draft_model.draft_cache_mode == "Q4"


def test_an_entry_wins_over_the_service() -> None:
    linked = with_options("cache_mode: Q8, chunk_size: 1000", "cache_mode: Q4, gpu_split: [20GiB, 21GiB]")
    this = case(linked, linked.models[0])
    assert (this.cache_mode, this.keys.gpu_split) == ("Q4", [20 * GIB, 21 * GIB])
    assert this.chunk_size == 1024
    assert this.at("cache_mode") == ("services", "it", "models", "m", "cache_mode")
    assert this.at("chunk_size") == ("services", "it", "options", "chunk_size")


@pytest.mark.parametrize(
    ("keys", "context", "cache"),
    [
        ("max_seq_len: 8192", 8192, 8192),
        ("max_seq_len: 8000", 8000, 8192),
        ("max_seq_len: 8192, cache_size: 32768", 8192, 32768),
        ("max_seq_len: 32768, cache_size: 8192", 8192, 8192),
        ("chunk_size: 512", 8192, 8192),
    ],
)
def test_a_conversation_fits_into_the_cache(keys: str, context: int, cache: int) -> None:
    linked = with_options(keys)
    this = case(linked, linked.models[0])
    assert (this.max_seq_len(None), this.cache_size(None)) == (context, cache)
