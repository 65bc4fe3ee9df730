"""Prometheus, Grafana and the DCGM exporter: whom they ask, what they know of the plan, what they warn of."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackgen import app, registry
from stackgen.domain import budget_lines
from stackgen.domain.plan import Plan
from stackgen.engines import dcgm_exporter, grafana, prometheus
from tests.support.engines import kinds, service
from tests.support.programs import require

STACK = """
version: 1
name: home
hosts:
  box: {platform: PLATFORM, address: 192.168.1.2, gpus: [{model: rtx-3090, reserve: 1GiB}, rtx-3090]}
models:
  coder: {hf: "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q4_K_M"}
services:
  llama:
    engine: llama-server
    host: box
    gpus: [0]
    image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
    options: {metrics: true, api_key: {secret: {name: llama, key: key}}}
    models: {coder: {model: coder, context: 8192}}
    volumes: {models: models}
  wan: {engine: program, host: box, gpus: [0], image: "localhost/wan:1.0", vram: {low: 1GiB, high: 2GiB}}
  figures: {engine: dcgm-exporter, host: box, gpus: [0, 1]}
  prometheus:
    engine: prometheus
    host: box
    options: {targets: {node: ["192.168.1.2:9100"]}, alertmanagers: ["alerts.lan:9093"], retention_size: 5GiB}
    volumes: {data: data}
  grafana:
    engine: grafana
    host: box
    uses: {metrics: prometheus}
    options: {admin_password: {secret: {name: grafana, key: password}}}
    volumes: {data: data}
volumes: {models: {path: /srv/models}, data: {managed: true}}
"""


OPTIONS = "    options: {targets"
"""Where Prometheus's own options begin."""


def watching(what: str) -> str:
    """The stack with a Prometheus that is told whom to watch."""
    return STACK.replace(OPTIONS, f"    uses: {{targets: {what}}}\n{OPTIONS}")


def load(folder: Path, text: str = STACK, platform: str = "compose") -> tuple[Plan, dict[str, str]]:
    """The plan of a stack, and its files by path."""
    (folder / "stack.yaml").write_text(text.replace("PLATFORM", platform))
    loaded = app.load(folder)
    plan = app.plan(loaded.stack)
    output = app.render(plan, loaded.source, [platform])
    return plan, {str(path): file.text for path, file in output.files[platform].items()}


def one(files: dict[str, str], name: str) -> str:
    (text,) = (text for path, text in files.items() if path.endswith(f"/{name}"))
    return text


def promtool(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [require("promtool"), *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.tool
@pytest.mark.parametrize("platform", ["compose", "nixos"])
def test_prometheus_takes_its_files(platform: str, tmp_path: Path) -> None:
    _, files = load(tmp_path, platform=platform)
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "llama").write_text("x")
    for name in ("prometheus.yml", "rules.yml"):
        text = one(files, name).replace("/etc/prometheus", str(tmp_path)).replace("/run/keys", str(keys))
        (tmp_path / name).write_text(text)
    promtool("check", "config", "prometheus.yml", folder=tmp_path)


def test_asking_for_figures_never_loads_a_model(tmp_path: Path) -> None:
    _, files = load(tmp_path)
    jobs = {job["job_name"]: job for job in yaml.safe_load(one(files, "prometheus.yml"))["scrape_configs"]}
    assert list(jobs) == ["figures", "llama/coder", "node"]
    llama = jobs["llama/coder"]
    assert llama["params"] == {"model": ["coder"], "autoload": ["false"]}
    assert llama["static_configs"] == [
        {"targets": ["llama:8080"], "labels": {"service": "llama", "host": "box", "model": "coder"}}
    ]


def test_a_key_goes_from_its_variable_to_a_file_and_nowhere_else(tmp_path: Path) -> None:
    _, files = load(tmp_path)
    (job,) = (j for j in yaml.safe_load(one(files, "prometheus.yml"))["scrape_configs"] if "params" in j)
    assert job["authorization"] == {"credentials_file": "/run/keys/llama"}
    run = yaml.safe_load(one(files, "compose.yaml"))["services"]["prometheus"]
    assert run["environment"] == {"KEY_LLAMA": "${SECRET_LLAMA_KEY:?set it in .env, as .env.example shows}"}
    assert (run["entrypoint"], run["command"][0]) == (["/bin/sh"], "/etc/prometheus/with-keys.sh")
    assert 'printf %s "$KEY_LLAMA" >/run/keys/llama' in one(files, "with-keys.sh")


@pytest.mark.parametrize("platform", ["compose", "systemd"])
def test_the_key_is_there_when_prometheus_starts(platform: str, tmp_path: Path) -> None:
    _, files = load(tmp_path, platform=platform)
    keys, fake = tmp_path / "keys", tmp_path / "prometheus"
    keys.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" "$(cat {keys}/llama)" "$(stat -c %a {keys}/llama)"\n')
    fake.chmod(0o755)
    script = one(files, "with-keys.sh").replace("/run/keys", str(keys))
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "KEY_LLAMA": "k e$y"}
    done = subprocess.run(
        ["sh", "-c", script, "sh", "--flag"], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "--flag k e$y 600\n"


def test_a_plain_unit_starts_the_script_too(tmp_path: Path) -> None:
    _, files = load(tmp_path, platform="systemd")
    unit = one(files, "home-prometheus.service")
    assert "ExecStart=sh /etc/prometheus/with-keys.sh --config.file=/etc/prometheus/prometheus.yml" in unit
    assert "with-keys.sh:/etc/prometheus/with-keys.sh" in unit
    assert "TemporaryFileSystem=/run/keys:mode=1777" in unit


def test_without_keys_the_image_starts_as_it_does(tmp_path: Path) -> None:
    _, files = load(tmp_path, STACK.replace(", api_key: {secret: {name: llama, key: key}}", ""))
    assert "entrypoint" not in yaml.safe_load(one(files, "compose.yaml"))["services"]["prometheus"]


def test_only_what_it_is_told_to_watch(tmp_path: Path) -> None:
    _, files = load(
        tmp_path,
        STACK.replace("    options: {targets", "    uses: {targets: figures}\n    options: {targets"),
    )
    jobs = yaml.safe_load(one(files, "prometheus.yml"))["scrape_configs"]
    assert [job["job_name"] for job in jobs] == ["figures", "node"]


def test_networks_that_are_closed_let_it_reach_what_is_not_in_the_stack(tmp_path: Path) -> None:
    plan, _ = load(tmp_path)
    (host,) = app.deploy(plan, "stack.yaml").hosts
    (prometheus,) = (found for found in host.workloads if found.name == "prometheus")
    assert prometheus.calls == ("192.168.1.2:9100", "alerts.lan:9093")


def test_the_lines_are_those_of_the_plan(tmp_path: Path) -> None:
    plan, files = load(tmp_path)
    groups = {group["name"]: group["rules"] for group in yaml.safe_load(one(files, "rules.yml"))["groups"]}
    recorded = {(r["record"], *r.get("labels", {}).values()): r["expr"] for r in groups["plan"]}
    for gpu in plan.gpus:
        at = (gpu.host, str(gpu.index))
        assert recorded[budget_lines.USABLE, *at] == f"vector({gpu.usable})"
        assert recorded[budget_lines.HIGH, *at] == f"vector({gpu.high})"
        assert recorded[budget_lines.LOW, *at] == f"vector({gpu.low})"
    assert recorded[budget_lines.RESERVED, "box", "0"] == f"vector({1024**3})"
    assert recorded[budget_lines.PLANNED, "box", "0", "wan", "high"] == f"vector({2 * 1024**3})"
    assert not any(key[2:3] == ("1",) for key in recorded if key[0] == budget_lines.PLANNED)
    shares = [expr for key, expr in recorded.items() if key[0] == budget_lines.PLANNED and key[-1] == "high"]
    assert sum(int(expr[7:-1]) for expr in shares) == plan.gpus[0].high


CASES = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'DCGM_FI_DEV_FB_USED{host="box", gpu="0", UUID="GPU-a"}', values: 'ABOVEx30'}
      - {series: 'DCGM_FI_DEV_FB_USED{host="box", gpu="1", UUID="GPU-b"}', values: '0x30'}
      - {series: 'up{service="figures", host="box"}', values: '0x30'}
      - {series: 'up{service="llama", host="box", model="coder"}', values: '0x30'}
    promql_expr_test:
      - expr: 'count(ALERTS{alertname="GpuMemoryAbovePlan", alertstate="firing", gpu="0"})'
        eval_time: 20m
        exp_samples: FIRED
      - {expr: 'count(ALERTS{alertname="GpuMemoryAbovePlan", gpu="1"})', eval_time: 20m, exp_samples: []}
      - {expr: 'count(ALERTS{alertname="ServiceDown", service="figures"})', eval_time: 20m, exp_samples: [{value: 1}]}
      - {expr: 'count(ALERTS{alertname="ServiceDown", service="llama"})', eval_time: 20m, exp_samples: []}
"""


@pytest.mark.tool
@pytest.mark.parametrize(("beyond", "fired"), [(64, "[{value: 1}]"), (-64, "[]")])
def test_the_alarm_goes_off_above_the_plan_and_not_below(beyond: int, fired: str, tmp_path: Path) -> None:
    plan, files = load(tmp_path)
    (tmp_path / "rules.yml").write_text(one(files, "rules.yml"))
    # What other programs may take is no reason for an alarm.
    mib = (plan.gpus[0].high + 1024**3) // 1024**2 + beyond
    cases = CASES.replace("ABOVE", f"{mib}+0").replace("FIRED", fired)
    (tmp_path / "cases.yml").write_text(cases)
    promtool("test", "rules", "cases.yml", folder=tmp_path)


def test_services_that_take_turns_may_be_down(tmp_path: Path) -> None:
    turns = f"""{STACK}
exclusive: [[figures, wan]]
"""
    assert "ServiceDown" in one(load(tmp_path)[1], "rules.yml")
    assert "ServiceDown" not in one(load(tmp_path, turns)[1], "rules.yml")


def test_alarms_can_be_left_out(tmp_path: Path) -> None:
    _, files = load(tmp_path, STACK.replace("retention_size: 5GiB", "alerts: false"))
    assert [group["name"] for group in yaml.safe_load(one(files, "rules.yml"))["groups"]] == ["plan"]


@pytest.mark.tool
def test_every_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    plan, files = load(tmp_path)
    dashboard: dict[str, Any] = json.loads(one(files, "stackgen.json"))
    panels = dashboard["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    assert len({tuple(panel["gridPos"].items()) for panel in panels}) == len(panels)
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [{"record": f"query:{i}", "expr": query} for i, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    promtool("check", "rules", "queries.yml", folder=tmp_path)
    known = {line.name for line in budget_lines.lines(plan)} | {budget_lines.USED}
    assert {name for query in queries for name in re.findall(r"stackgen:\w+", query)} <= known
    for gpu in plan.gpus:
        (panel,) = (p for p in panels if p["title"].startswith(f"{gpu.host} GPU {gpu.index} "))
        assert panel["fieldConfig"]["defaults"]["max"] == gpu.capacity


def test_grafana_finds_its_source_and_its_dashboard(tmp_path: Path) -> None:
    _, files = load(tmp_path)
    (source,) = yaml.safe_load(one(files, "stackgen.yaml"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    dashboard = json.loads(one(files, "stackgen.json"))
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
    run = yaml.safe_load(one(files, "compose.yaml"))["services"]["grafana"]
    (provider,) = yaml.safe_load(one(files, "stackgen-dashboards.yaml"))["providers"]
    assert f"{provider['options']['path']}/stackgen.json" in [v["target"] for v in run["volumes"]]


def test_what_it_is_to_watch_and_cannot(tmp_path: Path) -> None:
    plan, _ = load(
        tmp_path,
        STACK.replace("    options: {targets", "    uses: {targets: [figures, wan]}\n    options: {targets"),
    )
    assert "prometheus/no-figures" in [d.kind for d in plan.diagnostics]


def test_nothing_to_watch(tmp_path: Path) -> None:
    text = STACK.replace("metrics: true, ", "").replace('targets: {node: ["192.168.1.2:9100"]}, ', "")
    quiet = re.sub(r"  figures: .*\n", "", text)
    plan, _ = load(tmp_path, quiet)
    assert [d.kind for d in plan.diagnostics if d.kind.startswith("prometheus/")] == [
        "prometheus/nothing-to-watch"
    ]


@pytest.mark.parametrize(
    ("engine", "written", "expected"),
    [
        (prometheus, "{volumes: {data: d}}", []),
        (prometheus, "{}", ["prometheus/no-data"]),
        (prometheus, "{volumes: {data: d}, gpus: [0]}", ["prometheus/gpu"]),
        (grafana, "{uses: {metrics: p}, env: {GF_SECURITY_ADMIN_PASSWORD: {secret: {name: g}}}}", []),
        (grafana, "{}", ["grafana/no-source", "grafana/no-password"]),
        (
            grafana,
            "{uses: {metrics: p}, options: {admin_password: {secret: {name: g}}}, gpus: [0]}",
            ["grafana/gpu"],
        ),
        (dcgm_exporter, "{gpus: [0, 1]}", []),
        (dcgm_exporter, "{gpus: [1]}", ["dcgm-exporter/some-gpus"]),
        (dcgm_exporter, "{}", ["dcgm-exporter/some-gpus"]),
    ],
)
def test_findings(engine: Any, written: str, expected: list[str]) -> None:
    assert kinds(engine.ENGINE, service(engine.ENGINE, written)) == expected


def test_a_host_without_a_card_has_nothing_to_watch() -> None:
    from dataclasses import replace

    linked = service(dcgm_exporter.ENGINE, "{}")
    bare = replace(linked, host=replace(linked.host, gpus=()))
    assert kinds(dcgm_exporter.ENGINE, bare) == ["dcgm-exporter/no-gpu"]


def test_they_are_engines() -> None:
    assert {"prometheus", "grafana", "dcgm-exporter"} <= set(registry.engine_names())
