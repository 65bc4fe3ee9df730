"""TabbyAPI's memory in a plan: one model at a time, what it takes where, and the claims of others."""

from typing import Any

import pytest

from stackgen import registry
from stackgen.domain.footprint import Basis, TermName
from stackgen.domain.units import GIB, MIB
from stackgen.engines.tabbyapi import ENGINE
from stackgen.engines.tabbyapi.demand import companions, params_of
from stackgen.engines.tabbyapi.effective import case
from tests.support.engines import found, kinds, known, lower, planned, service

KEY = "api_key: {secret: {name: tabby, key: api-key}}"


def llama(options: str = "", entry: str = "max_seq_len: 8192", gpus: str = "[0, 1]") -> Any:
    return service(
        ENGINE,
        f"""
        gpus: {gpus}
        image: example.org/tabbyapi:1
        volumes: {{models: weights}}
        options: {{{KEY}, {options}}}
        models: {{m: {{model: m, hf: t/Llama-3.1-70B-Instruct-exl3-4.0bpw, {entry}}}}}
        """,
    )


def test_it_is_worked_out_for_each_gpu() -> None:
    linked = llama("gpu_split: [21GiB, 22GiB]")
    assert kinds(ENGINE, linked) == []
    demand = ENGINE.demand(linked, known(linked))
    (resident,) = demand.residents
    assert demand.limit == 1
    assert not demand.unknown
    assert resident.pinned
    terms = [{t.name for t in memory.terms} for memory in resident.gpus.values()]
    assert terms == [{TermName.WEIGHTS, TermName.KV, TermName.COMPUTE, TermName.CONTEXT}] * 2
    assert resident.gpus[0].of(TermName.WEIGHTS)[0].basis is Basis.CATALOG
    assert resident.gpus[0].high <= 21 * GIB + 750 * MIB
    assert resident.host.best == 128256 * 8192 * 2


def test_without_a_reserve_of_yours_one_is_written() -> None:
    linked = llama()
    (config,) = (f.body for f in lower(ENGINE, linked).config_files if f.name == "config.yml")
    assert config["model"]["autosplit_reserve"] == [768, 768]
    assert params_of(case(linked, linked.models[0]), None).autosplit_reserve == (768 * MIB,) * 2


@pytest.mark.parametrize(
    ("options", "gpus"),
    [("gpu_split: [20GiB, 20GiB]", "[0, 1]"), ("tensor_parallel: true", "[0, 1]"), ("", "[0]")],
)
def test_a_reserve_stands_only_where_it_has_an_effect(options: str, gpus: str) -> None:
    (config,) = (
        f.body for f in lower(ENGINE, llama(options, gpus=gpus)).config_files if f.name == "config.yml"
    )
    assert "autosplit_reserve" not in config["model"]


def test_models_take_turns() -> None:
    linked = service(
        ENGINE,
        "{gpus: [0], models: {a: {model: a, hf: t/Llama-3.1-8B-exl3-4.0bpw}, "
        "b: {model: b, hf: t/Qwen3-8B-exl3-4.0bpw}}}",
    )
    demand = planned(ENGINE, linked).demand
    assert demand.limit == 1
    assert [(r.use, r.pinned) for r in demand.residents] == [("a", True), ("b", False)]


def test_declared_memory_is_one_figure_for_all_gpus() -> None:
    text = "{gpus: [0, 1], models: {m: {model: m, hf: o/Unheard-of-exl3, vram: {low: 20GiB, high: 30GiB}}}}"
    (resident,) = planned(ENGINE, service(ENGINE, text)).demand.residents
    assert sum(m.high for m in resident.gpus.values()) == 30 * GIB


def test_nothing_is_assumed_of_a_model_that_nobody_knows() -> None:
    linked = service(ENGINE, "{gpus: [0], models: {m: {model: m, hf: o/Unheard-of-exl3}}}")
    demand = ENGINE.demand(linked, known(linked))
    assert demand.unknown
    assert demand.diagnostics == ()  # the model itself is told of
    assert known(linked)["m"].diagnostics
    assert [d.kind for d in ENGINE.demand(linked, {}).diagnostics] == ["tabbyapi/unknown-model"]


def test_a_draft_has_weights_and_a_cache() -> None:
    linked = llama("draft_model: {model: d, draft_cache_mode: Q4, draft_num_tokens: 5}")
    small = service(ENGINE, "{models: {d: {model: d, hf: t/Llama-3.2-1B-exl3-8.0bpw}}}")
    models = {**known(linked), **known(small)}
    this = case(linked, linked.models[0])
    (draft,) = companions(this, models)
    # 0.97e9 weights at 8 bits, a head at 6, 16 layers of 8 x 64 at 4.5 bits for keys and values.
    assert draft.sizes[0] == pytest.approx(
        0.973e9 + 128256 * 2048 * 6 / 8 + 8192 * 16 * 2 * 512 * 4.5 / 8, rel=0.01
    )
    assert ENGINE.demand(linked, models).further_models == ("d",)
    assert params_of(this, None).max_history == 5


def test_prediction_blocks_draft_with_a_cache_of_their_own() -> None:
    text = "{gpus: [0], models: {m: {model: m, hf: Qwen/Qwen3.5-27B-MTP-exl3-4.0bpw, max_seq_len: 8192, %s}}}"
    linked = service(ENGINE, text % "draft_model: {draft_mode: mtp}")
    (draft,) = companions(case(linked, linked.models[0]), known(linked))
    assert draft.sizes[0] > 0
    assert "tabbyapi/no-prediction-blocks" not in kinds(ENGINE, linked)
    assert "tabbyapi/no-prediction-blocks" in kinds(ENGINE, llama("draft_model: {draft_mode: mtp}"))


def test_the_part_that_sees_is_loaded_when_it_is_asked_for() -> None:
    def terms(entry: str) -> set[TermName]:
        linked = service(
            ENGINE, f"{{gpus: [0], models: {{m: {{model: m, hf: t/Qwen3-VL-8B-exl3-4.0bpw, {entry}}}}}}}"
        )
        (resident,) = planned(ENGINE, linked).demand.residents
        return {t.name for t in resident.gpus[0].terms}

    assert terms("vision: true") - terms("max_seq_len: 8192") == {TermName.MMPROJ}


def test_each_way_out_is_priced() -> None:
    linked = llama("gpu_split: [22GiB, 22GiB]", "max_seq_len: 32768")
    ways = list(ENGINE.alternatives(linked, linked.models[0], known(linked)))
    assert {way.knob for way in ways} == {"cache", "chunk", "context"}
    assert all(way.price for way in ways)
    assert [way.change for way in ways if way.knob == "cache"] == [
        "cache_mode: Q8",
        "cache_mode: Q6",
        "cache_mode: Q4",
    ]


def test_a_family_that_exllama_does_not_name_is_told_of() -> None:
    linked = service(ENGINE, "{gpus: [0], models: {m: {model: m, hf: t/Falcon-H1-7B-Instruct-exl3-4.0bpw}}}")
    assert "tabbyapi/unknown-architecture" in kinds(ENGINE, linked)


AS_FOUND = """
gpus: [0, 1]
image: example.org/tabbyapi:1
volumes: {models: weights}
options:
  disable_auth: true
  tensor_parallel: true
  gpu_split: [23GiB, 24GiB]
  gpu_split_auto: true
  autosplit_reserve: [4096MiB, 2048MiB]
  speculative_decoding: {enabled: true, draft_model: Llama-3.2-1B-exl3, num_speculative_tokens: 5}
  expect_cache_tokens: 16384
  logging: {level: INFO}
models:
  qwen: {model: qwen, hf: t/Qwen3-235B-A22B-exl3-3.0bpw, max_seq_len: 16384, vram: {low: 50GB, high: 50GB}}
publish: {port: 5000, address: 0.0.0.0}
"""


def test_a_configuration_as_it_was_found() -> None:
    """Keys that do nothing, a card filled to the brim, and 235B at 3.0 bits per weight in 50 GB."""
    linked = service(ENGINE, AS_FOUND)
    assert sorted(kinds(ENGINE, linked)) == [
        "tabbyapi/dead-key",
        "tabbyapi/dead-key",
        "tabbyapi/dead-key",
        "tabbyapi/declared-too-little",
        "tabbyapi/open-to-network",
        "tabbyapi/split-headroom",
        "tabbyapi/without-effect",
        "tabbyapi/without-effect",
    ]
    claim = found(ENGINE, linked, "tabbyapi/declared-too-little")
    assert claim.path == ("models", "qwen", "vram")
    assert "82.6 GiB" in claim.message
    (resident,) = planned(ENGINE, linked).demand.residents
    assert sum(m.low for m in resident.gpus.values()) > 82 * GIB


def test_other_engines_do_not_take_such_weights_for_their_own() -> None:
    llama_server = registry.engine("llama-server")
    linked = service(llama_server, "{gpus: [0], models: {m: {model: m, hf: t/Llama-3.1-8B-exl3-4.0bpw}}}")
    demand = llama_server.demand(linked, known(linked))
    assert demand.unknown
    assert [d.kind for d in demand.diagnostics] == ["engine/not-gguf"]
    assert "llama-server/file-unknown" not in kinds(llama_server, linked)
