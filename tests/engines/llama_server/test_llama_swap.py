"""llama-swap as the router: its own schema takes the configuration, and its sets are what fits together."""

import json
import shlex
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from stackgen import registry
from stackgen.domain.contracts import RunsLlama
from stackgen.domain.plan import Plan
from stackgen.domain.workload import Workload
from stackgen.engines.llama_server import ENGINE
from stackgen.engines.llama_server.argv import parse_argv
from stackgen.engines.llama_server.together import MAX_EXACT, Room, fit, room
from tests.support.engines import found, kinds, service
from tests.support.snippets import planned

VALIDATOR = jsonschema.Draft7Validator(
    json.loads(Path(__file__).with_name("llama_swap_schema.json").read_text("utf-8"))
)
"""The structure of llama-swap's config-schema.json (v250), without its texts."""
IMAGE = "ghcr.io/mostlygeek/llama-swap:v250-cuda-b11434"
STACK = f"""
version: 1
name: home
hosts:
  box: {{platform: compose, ram: 64GiB, gpus: [rtx-3090]}}
models:
  big: {{hf: "Qwen/Qwen3-30B-A3B-GGUF:Q4_K_M"}}
  mid: {{hf: "Qwen/Qwen3-8B-GGUF:Q4_K_M"}}
  small: {{hf: "Qwen/Qwen3-0.6B-GGUF:Q8_0"}}
services:
  llama:
    engine: llama-server
    host: box
    gpus: [0]
    image: {IMAGE}
    options: {{router: llama-swap, global_ttl: 30m, parallel: 1, perf: false, swa_full: true}}
    models:
      big: {{model: big, context: 16384, alias: [gpt-4, "it's big"]}}
      mid: {{model: mid, context: 16384}}
      small: {{model: small, context: 8192, load_on_startup: true, stop_timeout: 5}}
    volumes: {{models: m}}
volumes: {{m: {{path: /srv/m}}}}
"""


def stack(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(STACK)
    data["services"]["llama"]["options"] |= changes
    return data


def workload(plan: Plan) -> Workload:
    return registry.engine("llama-server").lower(plan.services["llama"], plan)


def config(plan: Plan) -> dict[str, Any]:
    (file,) = workload(plan).config_files
    body: dict[str, Any] = file.body
    VALIDATOR.validate(body)
    return body


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(stack(), tmp_path)


def test_its_schema_takes_the_configuration(plan: Plan) -> None:
    body = config(plan)
    assert body["globalTTL"] == 1800
    assert body["hooks"] == {"on_startup": {"preload": ["small"]}}
    assert body["models"]["big"]["aliases"] == ["gpt-4", "it's big"]
    assert body["models"]["small"]["unloadTimeout"] == 5
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(body | {"models": {"big": {}}})


def test_a_command_line_means_what_the_presets_would(plan: Plan) -> None:
    for name, model in config(plan)["models"].items():
        program, *words = shlex.split(model["cmd"])
        assert program == "llama-server"
        assert words[words.index("--port") + 1] == "${PORT}"
        words[words.index("--port") + 1] = "5800"
        read = parse_argv(words, build=11434)
        assert read.refusals == ()
        assert read.model == f"/models/{plan.services['llama'].known[name].file}"
        linked = plan.services["llama"].linked
        use = next(u for u in linked.models if u.id == name)
        assert isinstance(ENGINE, RunsLlama)
        process = ENGINE.process(linked, use)
        assert read.params == process.params
        assert "--no-perf" in words
        assert "--swa-full" in words


def sets(body: dict[str, Any]) -> list[set[str]]:
    names = body["matrix"]["vars"]
    return [{names[word] for word in text.split(" & ")} for text in body["matrix"]["sets"].values()]


def test_sets_are_the_largest_that_fit(plan: Plan) -> None:
    found = sets(config(plan))
    assert found == [{"big", "small"}, {"mid", "small"}]
    space = room(plan.services["llama"], plan)
    residents = {r.use: r for r in plan.services["llama"].demand.residents}
    for size in (1, 2, 3):
        for names in combinations(residents, size):
            allowed = any(set(names) <= chosen for chosen in found)
            assert fit([residents[name] for name in names], space) is allowed


def test_other_services_take_their_room(tmp_path: Path) -> None:
    data = stack()
    data["services"]["comfyui"] = {
        "engine": "comfyui",
        "host": "box",
        "gpus": [0],
        "vram": {"low": "3GiB", "high": "3GiB"},
    }
    assert sets(config(planned(data, tmp_path))) == [{"mid", "small"}, {"big"}]
    data["exclusive"] = [["comfyui", "llama"]]
    assert sets(config(planned(data, tmp_path))) == [{"big", "small"}, {"mid", "small"}]


def test_two_of_a_kind_do_not_share_what_is_free(tmp_path: Path) -> None:
    data = stack()
    data["services"]["llama"]["models"] = {
        "mid": {"model": "mid", "context": 8192},
        "small": {"model": "small", "context": 8192},
    }
    other = json.loads(json.dumps(data["services"]["llama"]))
    data["services"]["other"] = other
    del data["models"]["big"]
    plan = planned(data, tmp_path)
    assert sum(ledger.free for ledger in plan.gpus) >= 0
    spaces = [room(plan.services[name], plan).gpus[0] for name in ("llama", "other")]
    assert sum(spaces) <= plan.gpus[0].usable


def test_no_more_than_models_max(tmp_path: Path) -> None:
    assert sets(config(planned(stack(models_max=1), tmp_path))) == [{"big"}, {"mid"}, {"small"}]


def test_of_many_models_any_so_many_as_are_sure_to_fit(tmp_path: Path) -> None:
    data = stack(models_max=2)
    count = MAX_EXACT + 1
    data["models"] = {"small": data["models"]["small"]}
    data["services"]["llama"]["models"] = {f"s{i}": {"model": "small", "context": 4096} for i in range(count)}
    body = config(planned(data, tmp_path))
    any_of = "(" + " | ".join(f"m{i}" for i in range(1, count + 1)) + ")"
    assert body["matrix"]["sets"] == {"any": f"{any_of} & {any_of}"}


def test_main_memory_counts_as_well() -> None:
    assert not fit([], Room({0: -1}, None))
    assert not fit([], Room({}, -1))
    assert fit([], Room({0: 0}, None))


def test_one_model_needs_no_matrix(tmp_path: Path) -> None:
    data = stack()
    data["services"]["llama"]["models"] = {"small": {"model": "small", "context": 4096}}
    data["models"] = {"small": data["models"]["small"]}
    assert "matrix" not in config(planned(data, tmp_path))


def test_the_key_is_not_in_the_file(tmp_path: Path) -> None:
    plan = planned(stack(api_key={"secret": {"name": "llama", "key": "k"}}), tmp_path)
    assert config(plan)["apiKeys"] == ["${env.LLAMA_SWAP_API_KEY}"]
    env = workload(plan).env
    assert {"LLAMA_SWAP_API_KEY", "CUDA_DEVICE_ORDER"} <= set(env)
    assert not {name for name in env if name.startswith("LLAMA_ARG") or name == "LLAMA_API_KEY"}


def test_it_is_the_program_of_its_image(plan: Plan) -> None:
    run = workload(plan)
    assert (run.program, run.entrypoint, run.args[:2]) == (
        "llama-swap",
        ("/app/llama-swap",),
        ("-config", "/config/llama-swap.yaml"),
    )
    assert run.engine == "llama-server"
    assert run.health is not None
    assert run.health.path == "/health"
    assert plan.interfaces["llama"].scrapes == ()


MODEL = "models: {m: {model: m, hf: 'Qwen/Qwen3-0.6B-GGUF:Q8_0', context: 4096"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"{{options: {{router: llama-swap}}, {MODEL}}}}}}}", "llama-server/swap-image"),
        (
            f"{{image: 'ghcr.io/ggml-org/llama.cpp:server-b11434', options: {{router: llama-swap}}, {MODEL}}}}}}}",
            "llama-server/swap-image",
        ),
        (
            f"{{image: '{IMAGE}', options: {{router: llama-swap, command_line: [--metrics]}}, {MODEL}}}}}}}",
            "llama-server/other-router",
        ),
        (f"{{options: {{global_ttl: 5m}}, {MODEL}}}}}}}", "llama-server/other-router"),
        (
            f"{{image: '{IMAGE}', options: {{router: llama-swap}}, {MODEL}, chat_template: 'a ${{X}}'}}}}}}",
            "llama-server/swap-macro",
        ),
    ],
)
def test_what_it_cannot_do(text: str, kind: str) -> None:
    assert found(ENGINE, service(ENGINE, text), kind).message


def test_a_service_as_it_should_be_has_none_of_these() -> None:
    linked = service(
        ENGINE, f"{{image: '{IMAGE}', options: {{router: llama-swap, global_ttl: 5m}}, {MODEL}}}}}}}"
    )
    assert not {"llama-server/swap-image", "llama-server/other-router", "llama-server/swap-macro"} & set(
        kinds(ENGINE, linked)
    )
