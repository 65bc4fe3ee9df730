"""Every engine keeps to the protocol: documented options, an honest demand, a workload that says it all."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

import pytest

from stackgen import registry
from stackgen.domain.contracts import Engine, RunsLlama
from stackgen.domain.footprint import Memory, TermName
from stackgen.domain.interface import Api
from stackgen.domain.linked import Exposure, LinkedService, Publication
from stackgen.domain.stack import Service
from stackgen.domain.values import NAME_PATTERN
from stackgen.memory.llama import footprint
from tests.support.engines import BOX, known, lower, planned, service

ENGINES: tuple[Engine, ...] = tuple(registry.engines().values())
V = TypeVar("V")

LEAST = {
    "llama-server": "models: {m: {model: m, hf: 'Qwen/Qwen3-0.6B-GGUF:Q8_0', context: 4096}}",
    "ollama": "models: {m: {model: m, hf: 'Qwen/Qwen3-0.6B-GGUF:Q8_0'}}",
    "program": "{image: example.org/it:1.0, options: {port: 8000}}",
    "tabbyapi": "{models: {m: {model: m, hf: turboderp/Llama-3.3-70B-Instruct-exl3, max_seq_len: 8192}}}",
    "vllm": "models: {m: {model: m, hf: 'Qwen/Qwen3-0.6B', max_model_len: 4096}}",
}
"""The least that people write, for engines that need anything at all."""
LOADED = {
    "comfyui": "{gpus: [0], models: {m: {model: m, vram: {low: 1GiB, high: 2GiB}}}}",
    "llama-server": """
        gpus: [0, 1]
        options: {cache_type_k: q8_0, cache_type_v: q8_0}
        models: {m: {model: m, hf: 'Qwen/Qwen3-0.6B-GGUF:Q8_0', context: 8192}}
    """,
    "open-webui": "{gpus: [1], vram: {low: 1GiB, high: 2GiB}}",
    "vllm": """
        gpus: [0, 1]
        models: {m: {model: m, hf: 'Qwen/Qwen3-0.6B', max_model_len: 8192}}
    """,
    "ollama": "{gpus: [0, 1], models: {m: {model: m, hf: 'Qwen/Qwen3-0.6B-GGUF:Q8_0', num_ctx: 32768}}}",
    "whisper": "{gpus: [0], models: {m: {model: m, hf: Systran/w, vram: {low: 1GiB, high: 2GiB}}}}",
    "program": "{image: 'example.org/it:1.0', gpus: [0, 1], vram: {low: 1GiB, high: 2GiB}}",
    "tabbyapi": """
        gpus: [0, 1]
        options: {gpu_split: [20GiB, 20GiB]}
        models: {m: {model: m, hf: turboderp/Llama-3.3-70B-Instruct-exl3-2.5bpw, max_seq_len: 32768}}
    """,
}
"""A service that holds GPU memory, for engines that can."""
NEVER_ON_A_GPU = {
    "caddy",
    "dcgm-exporter",
    "grafana",
    "litellm",
    "n8n",
    "prometheus",
    "searxng",
}
"""Engines that leave GPUs alone, whatever they are given."""

each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
each_loaded = pytest.mark.parametrize(
    "engine", [e for e in ENGINES if e.name in LOADED], ids=lambda engine: engine.name
)


def least(engine: Engine) -> LinkedService:
    """A service of which nothing more is said than must be."""
    return service(engine, LEAST.get(engine.name, "{}"))


def test_samples_are_of_engines_that_there_are() -> None:
    assert LEAST.keys() | LOADED.keys() <= set(registry.engine_names())


def test_each_engine_has_a_sample_on_gpus_or_never_uses_one() -> None:
    assert sorted([*LOADED, *NEVER_ON_A_GPU]) == sorted(registry.engine_names())


@pytest.mark.parametrize("engine", [e for e in ENGINES if e.name in NEVER_ON_A_GPU], ids=lambda e: e.name)
def test_an_engine_without_gpu_memory_has_none_when_it_is_given_gpus(engine: Engine) -> None:
    given = replace(least(engine), gpus=BOX.gpus, declared=(1, 2))
    demand = planned(engine, given).demand
    assert not any(memory.high for resident in demand.residents for memory in resident.gpus.values())


@each_engine
def test_a_process_of_llama_cpp_has_the_gpus_of_its_service(engine: Engine) -> None:
    """What is measured, and what a log is compared with, is what is planned."""
    linked = service(engine, LOADED.get(engine.name, "{}"))
    if not isinstance(engine, RunsLlama):
        assert not hasattr(engine, "process")
        return
    assert linked.models
    for use in linked.models:
        process = engine.process(linked, use)
        assert set(process.gpus) <= set(linked.gpus)
        assert len(process.free) == len(process.gpus)
        facts = known(linked)[use.model.name].facts
        assert facts is not None
        found = footprint(facts, process.params, process.free)
        (resident,) = (r for r in planned(engine, linked).demand.residents if r.use == use.id)
        for gpu, memory in zip(process.gpus, found.devices, strict=True):
            assert resident.gpus[gpu.index].of(TermName.KV) == memory.of(TermName.KV)


def test_somebody_offers_what_somebody_uses() -> None:
    offered = set(chain.from_iterable(engine.offers for engine in ENGINES))
    roles = chain.from_iterable(engine.use_roles.items() for engine in ENGINES)
    needed = [about.fillers or (role,) for role, about in roles if not about.anyone]
    assert [names for names in needed if offered.isdisjoint(names)] == []


@each_engine
def test_names_and_roles_are_described(engine: Engine) -> None:
    assert re.fullmatch(NAME_PATTERN, engine.name)
    assert engine.summary
    assert not engine.summary.endswith(".")
    roles = {**(engine.volume_roles or {}), **engine.use_roles}
    assert all(role.description for role in roles.values())


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in (schema, *schema.get("$defs", {}).values()):
        yield from (
            (f"{part.get('title')}.{name}", value) for name, value in part.get("properties", {}).items()
        )


@each_engine
def test_every_option_is_described(engine: Engine) -> None:
    for schema in engine.schema():
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        bare = [
            name for name, value in properties(schema) if not value.get("description") and "$ref" not in value
        ]
        assert bare == []


@each_engine
def test_an_unknown_option_is_an_error_at_its_place(engine: Engine) -> None:
    raw = Service(engine=engine.name, host="box", options={"no_such_option": 1})
    parsed = engine.options(raw, ("services", "it"))
    assert parsed.value is None
    assert ("services", "it", "options", "no_such_option") in [d.path for d in parsed.diagnostics]


@each_engine
def test_an_unknown_key_of_a_model_is_an_error_below_it(engine: Engine) -> None:
    raw = Service(engine=engine.name, host="box")
    options = engine.options(raw, ("services", "it")).value
    path = ("services", "it", "models", "m")
    parsed = engine.use_options({"no_such_option": 1}, raw, options, path)
    assert parsed.value is None
    assert parsed.diagnostics
    assert all(d.path[:4] == path for d in parsed.diagnostics)


def full(engine: Engine) -> LinkedService:
    """A service with everything that every engine must pass on."""
    folders = ["/data"] if engine.volume_roles is None else list(engine.volume_roles)
    return replace(
        least(engine),
        publish=Publication(port=4321, address="127.0.0.1"),
        expose=Exposure(hostname="it.example.org", timeout=60),
        volumes={folder: f"volume-{index}" for index, folder in enumerate(folders)},
        env={"EXTRA": "1"},
    )


@each_engine
def test_a_workload_says_everything_that_the_stack_says(engine: Engine) -> None:
    linked = full(engine)
    run = lower(engine, linked)
    assert (run.name, run.engine) == (linked.name, engine.name)
    assert run.image
    assert run.program
    assert run.gpus == linked.gpus
    assert run.ports[0].publish == linked.publish
    assert run.expose == linked.expose
    assert {mount.volume for mount in run.mounts} == set(linked.volumes.values())
    assert run.env["EXTRA"] == "1"
    assert lower(engine, replace(linked, image="example.org/other:2.0")).image == "example.org/other:2.0"
    if run.health is not None:
        assert run.health.port in [port.number for port in run.ports]


@each_engine
def test_an_interface_names_what_clients_can_ask_for(engine: Engine) -> None:
    linked = least(engine)
    offered = engine.interface(planned(engine, linked))
    assert {model.id for model in offered.models} <= {use.id for use in linked.models}
    assert all(path == "" or path.startswith("/") for path in offered.apis.values())
    assert bool(offered.models) <= (Api.OPENAI in offered.apis or engine.name == "program")


def backwards(mapping: Mapping[str, V]) -> dict[str, V]:
    return dict(reversed(list(mapping.items())))


@each_engine
def test_the_order_of_keys_changes_nothing(engine: Engine) -> None:
    linked = full(engine)
    turned = replace(linked, volumes=backwards(linked.volumes), env=backwards(linked.env))
    assert lower(engine, turned) == lower(engine, linked)


@each_engine
def test_without_a_gpu_there_is_no_gpu_memory(engine: Engine) -> None:
    demand = planned(engine, least(engine)).demand
    assert not demand.unknown
    assert all(memory == Memory() for resident in demand.residents for memory in resident.gpus.values())


@each_loaded
def test_residents_sit_on_the_gpus_of_their_service(engine: Engine) -> None:
    linked = service(engine, LOADED[engine.name])
    demand = planned(engine, linked).demand
    assert not demand.unknown
    assert demand.residents
    for resident in demand.residents:
        assert resident.service == linked.name
        assert set(resident.gpus) <= {gpu.index for gpu in linked.gpus}
        for memory in (*resident.gpus.values(), resident.host):
            assert memory.low <= memory.best <= memory.high
            assert all(0 <= term.low <= term.best <= term.high for term in memory.terms)
            assert all(term.formula for term in memory.terms)
    assert sum(memory.high for r in demand.residents for memory in r.gpus.values()) > 0


@each_loaded
def test_alternatives_take_less(engine: Engine) -> None:
    linked = service(engine, LOADED[engine.name])

    def high(of: LinkedService) -> int:
        demand = planned(engine, of).demand
        return sum(memory.high for resident in demand.residents for memory in resident.gpus.values())

    for use in linked.models:
        ways = list(engine.alternatives(linked, use, known(linked)))
        assert all(1 <= way.cost <= 9 for way in ways)
        last = {way.knob: high(way.service) for way in ways if not way.knob.startswith("split")}
        assert {knob for knob, size in last.items() if size > high(linked)} == set()
        assert not last or min(last.values()) < high(linked)


def test_a_box_has_the_gpus_that_the_samples_claim() -> None:
    assert [gpu.index for gpu in BOX.gpus] == [0, 1]
