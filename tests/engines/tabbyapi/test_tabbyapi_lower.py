"""What TabbyAPI is started with: a config.yml that it reads without complaint, and keys that are in no file."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from stackgen.domain.document import Document
from stackgen.domain.linked import SecretKey
from stackgen.domain.plan import Plan, Verdict
from stackgen.domain.workload import ConfigFile, Workload
from stackgen.emit import to_text
from stackgen.engines.tabbyapi import ENGINE
from stackgen.engines.tabbyapi.keys import DraftModel, ModelKeys, ServiceKeys
from tests.support.engines import BOX, lower, planned, service
from tests.support.planning import stack

KEYS = {
    "network": "host port disable_auth disable_fetch_requests send_tracebacks api_servers sse_ping_interval",
    "logging": "log_prompt log_generation_params log_requests log_chat_completion_requests",
    "model": """model_dir inline_model_loading use_dummy_models dummy_model_names model_name use_as_default backend
        max_seq_len cache_size cache_mode tensor_parallel tensor_parallel_backend gpu_split_auto autosplit_reserve
        gpu_split cpu_moe_offload_layers rope_scale rope_alpha chunk_size output_chunking max_batch_size
        prompt_template vision template_vars_default template_vars_force force_enable_thinking reasoning
        reasoning_start_token reasoning_end_token start_in_reasoning tool_calls_in_reasoning
        reasoning_budget_tokens reasoning_budget_message tool_format harmony muse_glimmer""",
    "draft_model": """draft_mode draft_model_dir draft_model_name draft_rope_scale draft_rope_alpha draft_cache_mode
        draft_gpu_split draft_num_tokens dynamic_draft ngram_match_min""",
    "sampling": "override_preset",
    "embeddings": "embedding_model_dir embeddings_device embedding_model_name",
    "memory": "sysmem_recurrent_cache sysmem_kv_cache cuda_malloc_async",
    "developer": "unsafe_launch disable_request_streaming realtime_process_priority",
}
"""The keys of each section, as TabbyAPI's models of 2026-08-13 (e632af4) have them; it ignores all others."""
SECRET = "api_key: {secret: {name: tabby, key: api-key}}"
FULL = f"""
gpus: [0, 1]
options:
  {SECRET}
  admin_key: {{secret: {{name: tabby, key: admin-key}}}}
  log_requests: true
  api_servers: [OAI, Kobold]
  sysmem_kv_cache: 2GiB
  cuda_malloc_async: false
  unsafe_launch: false
  override_preset: safe_defaults
  gpu_split: [21.5GiB, 22GiB]
  autosplit_reserve: [96MiB]
  draft_model: {{model: small, draft_cache_mode: Q4, draft_gpu_split: [1GiB, 0B], draft_num_tokens: 5}}
models:
  big: {{model: big, hf: o/Big-exl3, cache_mode: '8,4', max_seq_len: 32000, template_vars_default: {{a: true}}}}
volumes: {{models: weights}}
"""


def body(run: Workload, name: str = "config.yml") -> Any:
    (file,) = (f for f in run.config_files if f.name == name)
    return yaml.safe_load(text(file))


def text(file: ConfigFile) -> str:
    return to_text(Document(path=PurePosixPath(file.name), format=file.format, body=file.body))


def full() -> Workload:
    linked = service(ENGINE, FULL)
    known = planned(ENGINE, linked)
    draft = service(ENGINE, "{models: {small: {model: small, hf: o/Small-exl3}}}")
    both = {**known.known, **planned(ENGINE, draft).known}
    return ENGINE.lower(replace(known, known=both), Plan(stack=stack([BOX], [linked]), verdict=Verdict.FITS))


def test_sizes_are_in_its_own_units() -> None:
    config = body(full())
    assert config["model"]["gpu_split"] == [21.5, 22]
    assert "autosplit_reserve" not in config["model"]
    assert config["draft_model"]["draft_gpu_split"] == [1, 0]
    assert config["memory"] == {"sysmem_kv_cache": 2048, "cuda_malloc_async": False}


def test_models_are_folders_below_the_volume() -> None:
    config = body(full())
    assert (config["model"]["model_dir"], config["model"]["model_name"]) == ("/models/o", "Big-exl3")
    draft = config["draft_model"]
    assert (draft["draft_model_dir"], draft["draft_model_name"]) == ("/models/o", "Small-exl3")


def test_what_decides_memory_is_written_out() -> None:
    model = body(full())["model"]
    assert (model["max_seq_len"], model["cache_size"]) == (32000, 32000)
    assert (model["cache_mode"], model["chunk_size"]) == ("8, 4", 2048)


def test_only_keys_that_exist_are_written() -> None:
    config = body(full())
    assert config.keys() <= KEYS.keys()
    for section, found in config.items():
        assert found.keys() <= set(KEYS[section].split()), section
    assert all(key.startswith("log_") for key in config["logging"])


def test_every_option_has_its_place_in_the_file() -> None:
    known = {key for keys in KEYS.values() for key in keys.split()}
    own = {"native", "api_key", "admin_key", "draft_model", "model", "embedding_model"}
    assert {*ServiceKeys.model_fields, *ModelKeys.model_fields, *DraftModel.model_fields} - known == own


def test_models_of_several_owners_share_the_volume() -> None:
    two = service(
        ENGINE,
        f"{{options: {{{SECRET}, cache_mode: Q4}}, "
        "models: {a: {model: a, hf: x/A-exl3}, b: {model: b, hf: y/B-exl3}}}",
    )
    model = body(lower(ENGINE, two))["model"]
    assert (model["model_dir"], model["model_name"]) == ("/models", "x/A-exl3")
    assert model["use_as_default"] == ["cache_mode"]


def test_keys_are_variables_by_reference() -> None:
    run = full()
    assert run.env["TABBYAPI_API_KEY"] == SecretKey("tabby", "api-key")
    assert run.env["TABBYAPI_ADMIN_KEY"] == SecretKey("tabby", "admin-key")
    assert run.args == ("/config/start.py", "/app/main.py", "--config", "/config/config.yml")
    assert "api" not in json.dumps(body(run)["network"]).replace("api_servers", "")


def test_without_keys_there_are_none() -> None:
    run = lower(
        ENGINE, service(ENGINE, "{options: {disable_auth: true}, models: {m: {model: m, hf: o/m-exl3}}}")
    )
    assert run.args == ("/config/start.py", "/app/main.py", "--config", "/config/config.yml")
    assert not any(isinstance(value, SecretKey) for value in run.env.values())
    assert body(run)["network"]["disable_auth"] is True


def test_an_installation_on_the_host_needs_no_image() -> None:
    native = "{folder: /opt/tabbyapi, python: /opt/tabbyapi/venv/bin/python}"
    run = lower(ENGINE, service(ENGINE, f"{{options: {{{SECRET}, native: {native}}}}}"))
    assert (run.image, run.program) == ("", "/opt/tabbyapi/venv/bin/python")
    assert run.args[:2] == ("/config/start.py", "/opt/tabbyapi/main.py")
    assert run.health is None


def test_the_real_start_script_hands_over_the_keys(tmp_path: Path) -> None:
    """It runs a stand-in that tells what TabbyAPI would see in its working folder."""
    (script,) = (f for f in full().config_files if f.name == "start.py")
    (tmp_path / "start.py").write_text(text(script))
    (tmp_path / "app" / "templates").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "app" / "main.py").write_text(
        "import json, os, sys\n"
        "print(json.dumps([json.load(open('api_tokens.yml')), oct(os.stat('api_tokens.yml').st_mode & 0o777), "
        "sys.argv, sorted(os.environ), os.path.isdir('templates'), sys.path[0]]))\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "start.py", "app/main.py", "--config", "/config/config.yml"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path / "scratch"), "TABBYAPI_API_KEY": 'a"b: #c'},
        capture_output=True,
        text=True,
        check=True,
    )
    keys, mode, argv, variables, templates, path = json.loads(done.stdout)
    assert keys["api_key"] == 'a"b: #c'
    assert len(keys["admin_key"]) == 64
    assert mode == "0o600"
    assert argv[1:] == ["--config", "/config/config.yml"]
    assert not any(name.startswith("TABBYAPI_") for name in variables)
    assert templates
    assert path == str(tmp_path / "app")


def test_where_it_listens_is_in_variables_that_a_host_can_change() -> None:
    run = full()
    assert (run.env["TABBY_NETWORK_HOST"], run.env["TABBY_NETWORK_PORT"]) == ("0.0.0.0", "5000")  # noqa: S104
    assert run.listen is not None
    assert set(run.listen.env) <= set(run.env)
    assert body(run)["network"].keys().isdisjoint({"host", "port"})
