"""What Ollama's models take: llama-server's own figures, started as Ollama starts it."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from stackgen.domain.diagnostic import Severity
from stackgen.domain.footprint import TermName
from stackgen.domain.linked import LinkedService
from stackgen.domain.llama import LlamaParams
from stackgen.domain.plan import Limit, Resident
from stackgen.domain.units import GIB
from stackgen.engines.ollama import ENGINE
from stackgen.engines.ollama.effective import by_memory, case
from stackgen.memory.llama import footprint
from tests.support.engines import known, service
from tests.support.snippets import planned

QWEN = "hf: 'Qwen/Qwen3-8B-GGUF:Q4_K_M'"


def residents(text: str) -> tuple[LinkedService, dict[str, Resident]]:
    linked = service(ENGINE, text)
    demand = ENGINE.demand(linked, known(linked))
    return linked, {r.use or "": r for r in demand.residents}


def test_a_model_takes_what_llama_server_takes() -> None:
    linked, found = residents(
        f"{{gpus: [0], options: {{num_parallel: 2, kv_cache_type: q8_0}}, "
        f"models: {{m: {{model: m, {QWEN}, num_ctx: 8192}}}}}}"
    )
    facts = known(linked)["m"].facts
    assert facts is not None
    params = LlamaParams(
        build=10488,
        n_ctx=16384,
        n_parallel=2,
        kv_unified=False,
        n_batch=512,
        n_ubatch=512,
        type_k="q8_0",
        type_v="q8_0",
        split_mode="none",
    )
    terms = footprint(facts, params, (linked.gpus[0].capacity,)).devices[0].terms
    own = found["m"].gpus[0].terms
    assert [t for t in own if t.name is TermName.KV] == [t for t in terms if t.name is TermName.KV]
    # 36 layers x 8 heads x 128 elements of keys and of values, 34 bytes for 32 of them.
    assert sum(t.high for t in own if t.name is TermName.KV) == 36 * 2 * 8 * 128 * 16384 * 34 // 32
    assert [t.name for t in own].count(TermName.CONTEXT) == 1


@pytest.mark.parametrize(
    ("cards", "overhead", "context"),
    [([0], "0B", 32768), ([0, 1], "0B", 262144), ([0], "2GiB", 4096), ([], "0B", 4096)],
)
def test_the_context_that_nobody_gives_is_chosen_by_memory(
    cards: list[int], overhead: str, context: int
) -> None:
    linked = service(
        ENGINE,
        f"{{gpus: {cards}, options: {{gpu_overhead: {overhead}}}, models: {{m: {{model: m, {QWEN}}}}}}}",
    )
    assert by_memory(linked, linked.options) == context
    this = case(linked, linked.models[0], known(linked)["m"])
    assert this.num_ctx == min(context, 40960)


def test_embeddings_are_read_in_one_batch_and_one_at_a_time() -> None:
    linked = service(
        ENGINE,
        "{gpus: [0], options: {num_parallel: 4}, models: "
        "{e: {model: e, hf: 'nomic-ai/nomic-embed-text-v1.5-GGUF:F16'}}}",
    )
    this = case(linked, linked.models[0], known(linked)["e"])
    assert this.embeds
    assert (this.num_ctx, this.num_batch, this.num_parallel) == (2048, 2048, 1)
    assert this.params(this.devices).embeddings


def test_on_the_cpu_everything_is_in_main_memory() -> None:
    linked, found = residents(
        f"{{options: {{cache_ram: 1GiB}}, models: {{m: {{model: m, {QWEN}, num_ctx: 4096}}}}}}"
    )
    assert found["m"].gpus == {}
    facts = known(linked)["m"].facts
    assert facts is not None
    assert facts.weight_bytes < found["m"].host.high < facts.weight_bytes * 105 // 100 + 3 * GIB


def test_layers_on_no_gpu_still_open_all_of_them() -> None:
    _, found = residents(f"{{gpus: [0], models: {{m: {{model: m, {QWEN}, num_ctx: 4096, num_gpu: 0}}}}}}")
    assert [t.name for t in found["m"].gpus[0].terms] == [TermName.CONTEXT]


def test_a_main_gpu_holds_all_of_it() -> None:
    _, found = residents(f"{{gpus: [0, 1], models: {{m: {{model: m, {QWEN}, num_ctx: 4096, main_gpu: 1}}}}}}")
    assert list(found["m"].gpus) == [1]


def test_whichever_gpu_it_takes_must_be_able_to_hold_all_of_it() -> None:
    text = f"{{gpus: [0, 1], options: {{sched_spread: false}}, models: {{m: {{model: m, {QWEN}, num_ctx: 4096}}}}}}"
    linked, found = residents(text)
    alone = service(ENGINE, text.replace("[0, 1]", "[1]"))
    whole = ENGINE.demand(alone, known(alone)).residents[0].gpus[1]
    assert {index: memory.high for index, memory in found["m"].gpus.items()} == {0: whole.high, 1: whole.high}
    spread = replace(linked, options=linked.options.model_copy(update={"sched_spread": True}))
    both = ENGINE.demand(spread, known(spread)).residents[0].gpus
    assert all(memory.high < whole.high for memory in both.values())


@pytest.mark.parametrize(
    ("options", "limit"), [("auto", Limit.AUTO), ("2", 2), ("0", 6)], ids=["auto", "a number", "its own"]
)
def test_how_many_it_keeps(options: str, limit: int | Limit) -> None:
    linked = service(
        ENGINE,
        f"{{gpus: [0, 1], options: {{max_loaded_models: {options}}}, models: {{m: {{model: m, {QWEN}}}}}}}",
    )
    assert ENGINE.demand(linked, known(linked)).limit == limit


def test_what_people_pull_themselves_is_declared() -> None:
    linked = service(ENGINE, "{gpus: [0], vram: {low: 4GiB, high: 8GiB}}")
    assert [r.gpus[0].high for r in ENGINE.demand(linked, {}).residents] == [8 * GIB]
    assert ENGINE.demand(service(ENGINE, "gpus: [0]"), {}).unknown


PAIR = """
version: 1
name: home
hosts: {box: {platform: compose, ram: %s, gpus: [%s]}}
models: {a: {ollama: llama3.2}, b: {ollama: "llama3.1:8b"}}
services:
  ollama:
    engine: ollama
    host: box
    options: {cache_ram: 0B, context_length: 4096, max_loaded_models: %s}
    models: {a: {model: a}, b: {model: b}}
    volumes: {models: m}
    gpus: %s
volumes: {m: {path: /srv/m}}
"""


@pytest.mark.parametrize(("ram", "limit"), [("64GiB", 2), ("7GiB", 1)])
def test_on_the_cpu_main_memory_says_how_many_fit(ram: str, limit: int, tmp_path: Path) -> None:
    plan = planned(yaml.safe_load(PAIR % (ram, "", "auto", "[]")), tmp_path)
    assert plan.services["ollama"].models_max == limit
    assert [d.kind for d in plan.diagnostics if d.severity is Severity.ERROR] == []


def test_advice_names_its_own_option(tmp_path: Path) -> None:
    stack = yaml.safe_load(PAIR % ("64GiB", "rtx-3060-ti", "2", "[0]"))
    (over,) = (d for d in planned(stack, tmp_path).diagnostics if d.kind == "plan/over-budget")
    assert "max_loaded_models: 1" in (over.hint or "")
